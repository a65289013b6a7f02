//! The floor of tantivy: documents with the fields of the view's index, added and committed by the
//! bare writer with the settings of the view's own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use projections::OrderDocument;
use projections::search::analysis::IndexAnalyzer;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::{Field, FieldType};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::{Changed, Floor};
use crate::views::throughput::FLOOR;

const TEXT: &str = "text";
const KEYS: &str = "keys";
const INDEXING_BYTES: usize = 32 << 20;

/// Writes documents by the bare index writer.
pub struct TantivyFloor {
    index: Index,
    writer: IndexWriter,
    reader: IndexReader,
}

impl TantivyFloor {
    /// Opens the index of another generation.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let index = Index::open_in_dir(folder.join(format!("search-{FLOOR}")))?;
        index
            .tokenizers()
            .register(&analyzer_name(&index)?, IndexAnalyzer);

        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1);
        let writer: IndexWriter =
            index.writer_with_options(options.memory_budget_per_thread(INDEXING_BYTES).build())?;
        writer.set_merge_policy(Box::new(merge_policy()));

        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;

        Ok(TantivyFloor {
            index,
            writer,
            reader,
        })
    }

    fn field(&self, name: &str) -> anyhow::Result<Field> {
        Ok(self.index.schema().get_field(name)?)
    }

    fn document(&self, order: &OrderDocument) -> anyhow::Result<TantivyDocument> {
        let mut document = TantivyDocument::default();
        let (high, low) = order.order_id.0.as_u64_pair();
        let (id, keys) = (order.order_id.0.as_bytes(), self.field(KEYS)?);
        let of_version = [id.as_slice(), &order.version.to_be_bytes()].concat();
        document.add_bytes(keys, &key(b'i', id));
        document.add_bytes(keys, &key(b'v', &of_version));
        document.add_bytes(keys, &key(b's', order.state.name().as_bytes()));
        document.add_bytes(keys, &key(b'c', order.customer_id.0.as_bytes()));
        document.add_u64(self.field("id_high")?, high);
        document.add_u64(self.field("id_low")?, low);
        document.add_u64(self.field("version")?, order.version);
        document.add_i64(self.field("created")?, order.creation_time.micros());
        document.add_i64(self.field("total")?, order.order_total.cents());
        let text = self.field(TEXT)?;

        let lines = order
            .lines
            .iter()
            .flat_map(|line| [line.name.as_str(), line.sku.as_str()]);

        for value in lines
            .chain(order.note.as_deref())
            .chain(order.customer_name.as_deref())
        {
            document.add_text(text, value);
        }

        document.add_bytes(self.field("source")?, &serde_json::to_vec(order)?);

        Ok(document)
    }
}

/// What an order is found by, besides its text.
fn key(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], value].concat()
}

/// The analyzer that the schema names; its number grows with its definition.
fn analyzer_name(index: &Index) -> anyhow::Result<String> {
    let schema = index.schema();
    let entry = schema.get_field_entry(schema.get_field(TEXT)?);
    let FieldType::Str(options) = entry.field_type() else {
        bail!("the field {TEXT} of the index is no text")
    };
    Ok(options
        .get_indexing_options()
        .context("the text is not indexed")?
        .tokenizer()
        .to_owned())
}

/// As the view's writer puts segments together by their size.
fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(10);
    policy.set_min_layer_size(1_000);
    policy.set_level_log_size(1.5);
    policy.set_max_docs_before_merge(500_000);
    policy.set_del_docs_ratio_before_merge(1.0);
    policy
}

impl Floor for TantivyFloor {
    fn write(&mut self, changed: &Changed) -> anyhow::Result<Duration> {
        let keys = self.field(KEYS)?;
        let mut documents = Vec::with_capacity(changed.orders.len());

        for order in &changed.orders {
            let id = order.order_id.0;
            let term = || Term::from_field_bytes(keys, &key(b'i', id.as_bytes()));
            let replaced = changed.known.contains(&id).then(term);
            documents.push((replaced, self.document(order)?));
        }

        let begun = Instant::now();

        for (replaced, document) in documents {
            if let Some(term) = replaced {
                self.writer.delete_term(term);
            }
            self.writer.add_document(document)?;
        }

        self.writer.commit()?;
        self.reader.reload()?;

        Ok(begun.elapsed())
    }
}
