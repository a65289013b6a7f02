//! What the index holds of an order.
//!
//! All searchable text is one field: words of one query may stand in different values, and a word counts the same
//! wherever it stands. tantivy leaves a gap of one position between the values of a field, so a phrase never reaches
//! from one into the next. The whole document is stored beside it, and hits are answered from that.

use domain::{CustomerId, OrderId, OrderState};
use tantivy::schema::{BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{TantivyDocument, Term};

use crate::OrderDocument;
use crate::search::analysis::index_analyzer;

/// The analyzer's name in the schema. It is part of what tells one definition from another, so its number is raised
/// whenever [`analysis`](crate::search::analysis) or [`Fields::document`] changes what is indexed.
const ANALYZER: &str = "order_text_2";

// Columns, read by name.
pub(super) const CREATED: &str = "created";
pub(super) const TOTAL: &str = "total";
pub(super) const VERSION: &str = "version";
pub(super) const ID_HIGH: &str = "id_high";
pub(super) const ID_LOW: &str = "id_low";

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The order's id, to find one order by it.
    pub(super) id: Field,
    /// The two halves of the id as columns: the last part of every sort key.
    id_high: Field,
    id_low: Field,
    version: Field,
    pub(super) created: Field,
    pub(super) total: Field,
    pub(super) state: Field,
    pub(super) customer: Field,
    pub(super) text: Field,
    /// The document as JSON.
    pub(super) source: Field,
}

pub(super) fn define() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let exact = BytesOptions::default().set_indexed();
    let column = NumericOptions::default().set_fast();
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );
    let fields = Fields {
        id: builder.add_bytes_field("id", exact.clone()),
        id_high: builder.add_u64_field(ID_HIGH, column.clone()),
        id_low: builder.add_u64_field(ID_LOW, column.clone()),
        version: builder.add_u64_field(VERSION, column.clone()),
        created: builder.add_i64_field(CREATED, column.clone()),
        total: builder.add_i64_field(TOTAL, column),
        state: builder.add_bytes_field("state", exact.clone()),
        customer: builder.add_bytes_field("customer", exact),
        text: builder.add_text_field("text", text),
        source: builder.add_bytes_field("source", BytesOptions::default().set_stored()),
    };
    (builder.build(), fields)
}

pub(super) fn tokenizers() -> TokenizerManager {
    // Includes the ones that tantivy itself asks for by name.
    let tokenizers = TokenizerManager::default();
    tokenizers.register(ANALYZER, index_analyzer());
    tokenizers
}

impl Fields {
    pub(super) fn document(&self, order: &OrderDocument) -> serde_json::Result<TantivyDocument> {
        let mut document = TantivyDocument::default();
        let (high, low) = order.order_id.0.as_u64_pair();
        document.add_bytes(self.id, order.order_id.0.as_bytes());
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_u64(self.version, order.version);
        document.add_i64(self.created, order.creation_time.micros());
        document.add_i64(self.total, order.order_total.cents());
        document.add_bytes(self.state, order.state.name().as_bytes());
        document.add_bytes(self.customer, order.customer_id.0.as_bytes());
        let lines = order.lines.iter().flat_map(|line| [line.name.as_str(), line.sku.as_str()]);
        for text in lines.chain(order.note.as_deref()).chain(order.customer_name.as_deref()) {
            document.add_text(self.text, text);
        }
        document.add_bytes(self.source, &serde_json::to_vec(order)?);
        Ok(document)
    }

    pub(super) fn id_term(&self, order: OrderId) -> Term {
        Term::from_field_bytes(self.id, order.0.as_bytes())
    }

    pub(super) fn state_term(&self, state: OrderState) -> Term {
        Term::from_field_bytes(self.state, state.name().as_bytes())
    }

    pub(super) fn customer_term(&self, customer: CustomerId) -> Term {
        Term::from_field_bytes(self.customer, customer.0.as_bytes())
    }

    pub(super) fn word_term(&self, word: &str) -> Term {
        Term::from_field_text(self.text, word)
    }
}
