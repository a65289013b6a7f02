//! What the index holds of an order.
//!
//! All searchable text is one field: words of one query may stand in different values, and a word
//! counts the same wherever it stands. tantivy leaves a gap of one position between the values of a
//! field, so a phrase never reaches from one into the next. The whole document is stored beside it,
//! and hits are answered from that.

use domain::{CustomerId, OrderId, OrderState};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{TantivyDocument, Term};
use uuid::Uuid;

use crate::OrderDocument;
use crate::search::analysis::{self, IndexAnalyzer};

// Columns, read by name.
pub(super) const CREATED: &str = "created";
pub(super) const TOTAL: &str = "total";
pub(super) const VERSION: &str = "version";
pub(super) const ID_HIGH: &str = "id_high";
pub(super) const ID_LOW: &str = "id_low";

/// What the keys of an order are made of: one field has them all, since each field of its own costs
/// a commit as much as some hundred documents.
mod key {
    /// The order's id, to find one order by it.
    pub(super) const ID: u8 = b'i';
    /// The id and a version, to delete this version and no other.
    pub(super) const VERSION: u8 = b'v';
    pub(super) const STATE: u8 = b's';
    pub(super) const CUSTOMER: u8 = b'c';
}

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// See [`key`].
    pub(super) keys: Field,
    /// The two halves of the id as columns: the last part of every sort key.
    id_high: Field,
    id_low: Field,
    version: Field,
    pub(super) created: Field,
    pub(super) total: Field,
    pub(super) text: Field,
    /// The document as JSON.
    pub(super) source: Field,
}

pub(super) fn define() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let column = NumericOptions::default().set_fast();

    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(analysis::NAME)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );

    let fields = Fields {
        keys: builder.add_bytes_field("keys", BytesOptions::default().set_indexed()),
        id_high: builder.add_u64_field(ID_HIGH, column.clone()),
        id_low: builder.add_u64_field(ID_LOW, column.clone()),
        version: builder.add_u64_field(VERSION, column.clone()),
        created: builder.add_i64_field(CREATED, column.clone()),
        total: builder.add_i64_field(TOTAL, column),
        text: builder.add_text_field("text", text),
        source: builder.add_bytes_field("source", BytesOptions::default().set_stored()),
    };
    (builder.build(), fields)
}

pub(super) fn tokenizers() -> TokenizerManager {
    // Includes the ones that tantivy itself asks for by name.
    let tokenizers = TokenizerManager::default();
    tokenizers.register(analysis::NAME, IndexAnalyzer);
    tokenizers
}

impl Fields {
    pub(super) fn document(&self, order: &OrderDocument) -> serde_json::Result<TantivyDocument> {
        let mut document = TantivyDocument::default();
        let (high, low) = order.order_id.0.as_u64_pair();
        document.add_bytes(self.keys, &id_key(order.order_id.0));
        document.add_bytes(self.keys, &version_key(order.order_id, order.version));
        document.add_bytes(self.keys, &state_key(order.state));
        document.add_bytes(self.keys, &customer_key(order.customer_id));
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_u64(self.version, order.version);
        document.add_i64(self.created, order.creation_time.micros());
        document.add_i64(self.total, order.order_total.cents());

        let lines = order
            .lines
            .iter()
            .flat_map(|line| [line.name.as_str(), line.sku.as_str()]);

        for text in lines
            .chain(order.note.as_deref())
            .chain(order.customer_name.as_deref())
        {
            document.add_text(self.text, text);
        }

        document.add_bytes(self.source, &serde_json::to_vec(order)?);

        Ok(document)
    }

    pub(super) fn id_term(&self, order: OrderId) -> Term {
        self.key_term(&id_key(order.0))
    }

    pub(super) fn version_term(&self, order: OrderId, version: u64) -> Term {
        self.key_term(&version_key(order, version))
    }

    pub(super) fn state_term(&self, state: OrderState) -> Term {
        self.key_term(&state_key(state))
    }

    pub(super) fn customer_term(&self, customer: CustomerId) -> Term {
        self.key_term(&customer_key(customer))
    }

    fn key_term(&self, key: &[u8]) -> Term {
        Term::from_field_bytes(self.keys, key)
    }

    pub(super) fn word_term(&self, word: &str) -> Term {
        Term::from_field_text(self.text, word)
    }
}

/// What an id is found by. These keys are in the order of the ids.
pub(super) fn id_key(id: Uuid) -> Vec<u8> {
    key_of(key::ID, id.as_bytes())
}

/// The id that such a key is of.
pub(super) fn id_of_key(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key.strip_prefix(&[key::ID])?).ok()
}

fn version_key(order: OrderId, version: u64) -> Vec<u8> {
    let mut key = key_of(key::VERSION, order.0.as_bytes());
    key.extend(version.to_be_bytes());
    key
}

fn state_key(state: OrderState) -> Vec<u8> {
    key_of(key::STATE, state.name().as_bytes())
}

fn customer_key(customer: CustomerId) -> Vec<u8> {
    key_of(key::CUSTOMER, customer.0.as_bytes())
}

fn key_of(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], value].concat()
}
