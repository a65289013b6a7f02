//! What PostgreSQL's `pgoutput` tells of a table that is only inserted into
//! (<https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>): its
//! columns, before its first row, and rows as text.

use std::collections::HashMap;

use uuid::Uuid;

use crate::history::salvage::Stored;
use crate::tables::outbox::Model;

/// The names of the columns of each table.
#[derive(Debug, Default)]
pub(super) struct Tables(HashMap<u32, Vec<String>>);

impl Tables {
    /// Reads a message: a row of an outbox, or none when it tells of something else.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Option<Row>, &'static str> {
        let mut rest = Rest(message);
        match rest.byte()? {
            b'R' => {
                let (table, columns) = columns(&mut rest)?;
                self.0.insert(table, columns);
                Ok(None)
            }
            b'I' => {
                let table = rest.u32()?;
                let columns = self.0.get(&table).ok_or("a row of no known table")?;
                row(&mut rest, columns).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// A row of an outbox.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) shard: i32,
    pub(super) model: Model,
}

impl Row {
    /// As if it had been read from the table.
    pub(super) fn stored(self) -> Stored {
        Stored {
            sequence: Some(self.model.sequence),
            entity: Some(self.model.entity_id),
            version: self.model.version,
            time: Some(self.model.time),
            row: Ok(self.model),
        }
    }

    pub(super) fn number(&self) -> u16 {
        u16::try_from(self.shard).unwrap_or(u16::MAX)
    }
}

fn columns(rest: &mut Rest<'_>) -> Result<(u32, Vec<String>), &'static str> {
    let table = rest.u32()?;
    let _schema = rest.text()?;
    let _name = rest.text()?;
    let _identity = rest.byte()?;
    let count = rest.u16()?;
    let mut names = Vec::new();
    for _ in 0..count {
        let _flags = rest.byte()?;
        names.push(rest.text()?.to_owned());
        let _type = rest.u32()?;
        let _modifier = rest.u32()?;
    }
    Ok((table, names))
}

fn row(rest: &mut Rest<'_>, columns: &[String]) -> Result<Row, &'static str> {
    if rest.byte()? != b'N' {
        return Err("an insert without a new row");
    }
    let count = rest.u16()?;
    if usize::from(count) != columns.len() {
        return Err("a row of another number of columns than its table");
    }

    let mut values: HashMap<&str, &str> = HashMap::new();
    for column in columns {
        match rest.byte()? {
            b'n' => {}
            b't' => {
                let length = rest.u32()?;
                let value = rest.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                let value = std::str::from_utf8(value).map_err(|_| "a value that is no UTF-8")?;
                values.insert(column, value);
            }
            _ => return Err("a value that is neither text nor null"),
        }
    }
    model(&values).ok_or("a row that is none of an outbox")
}

fn model(values: &HashMap<&str, &str>) -> Option<Row> {
    let text = |name: &str| values.get(name).copied();
    let number = |name: &str| text(name)?.parse::<i64>().ok();
    let id = |name: &str| text(name)?.parse::<Uuid>().ok();
    let shard = i32::try_from(number("shard")?).ok()?;
    Some(Row {
        shard,
        model: Model {
            shard,
            sequence: number("sequence")?,
            count: i32::try_from(number("count")?).ok()?,
            entity_id: id("entity_id")?,
            version: number("version"),
            correlation_id: id("correlation_id")?,
            time: number("time")?,
            events: text("events").map(str::to_owned),
            messages: text("messages").map(str::to_owned),
        },
    })
}

/// What of a message has not been read.
struct Rest<'m>(&'m [u8]);

impl<'m> Rest<'m> {
    fn take(&mut self, length: usize) -> Result<&'m [u8], &'static str> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or("a message that is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?.first().copied().unwrap_or(0))
    }

    fn u16(&mut self) -> Result<u16, &'static str> {
        let taken = self.take(2)?.try_into();
        taken
            .map(u16::from_be_bytes)
            .map_err(|_| "a message that is cut off")
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        let taken = self.take(4)?.try_into();
        taken
            .map(u32::from_be_bytes)
            .map_err(|_| "a message that is cut off")
    }

    /// Up to the next zero.
    fn text(&mut self) -> Result<&'m str, &'static str> {
        let length = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(length.ok_or("a name without an end")?)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| "a name that is no UTF-8")
    }
}

#[cfg(test)]
mod tests;
