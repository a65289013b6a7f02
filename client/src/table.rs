//! Aligned columns of text for lists on a terminal.
//!
//! Long lists come page by page, so the widths of the first page hold for the later ones (a longer
//! cell pushes its own row only). A terminal that is too narrow is spared the last columns, whose
//! lines would wrap; whoever reads from a pipe gets all of them.

use serde_json::Value;

/// Between columns.
const GAP: &str = "  ";

/// A table with a header; rows are rendered in pages.
#[derive(Debug)]
pub struct Table {
    titles: Vec<String>,
    widths: Vec<usize>,
    /// How many characters a line may have; absent when nobody minds.
    room: Option<usize>,
    begun: bool,
}

impl Table {
    /// A table without rows, in which every column is as wide as its title.
    pub fn new<T: Into<String>>(titles: impl IntoIterator<Item = T>) -> Self {
        let titles: Vec<String> = titles.into_iter().map(Into::into).collect();
        let widths = titles.iter().map(|title| width(title)).collect();
        Self {
            titles,
            widths,
            room: None,
            begun: false,
        }
    }

    /// The same for lines of at most `room` characters.
    pub fn within(self, room: Option<usize>) -> Self {
        Self { room, ..self }
    }

    /// The titles of the columns that there was no room for.
    pub fn left_out(&self) -> &[String] {
        self.titles.get(self.widths.len()..).unwrap_or_default()
    }

    /// The next rows as text, with the header before the first of them.
    pub fn render(&mut self, rows: &[Vec<String>]) -> String {
        let mut text = String::new();

        if !self.begun {
            self.begun = true;
            for row in rows {
                for (known, cell) in self.widths.iter_mut().zip(row) {
                    *known = (*known).max(width(cell));
                }
            }
            self.make_fit();
            self.push_row(&mut text, &self.titles);
        }

        for row in rows {
            self.push_row(&mut text, row);
        }

        text
    }

    /// Leaves out the last columns that do not fit; the first one always stays.
    fn make_fit(&mut self) {
        let Some(room) = self.room else { return };
        let mut taken = 0;
        let fitting = self.widths.iter().take_while(|width| {
            taken += **width + if taken == 0 { 0 } else { GAP.len() };
            taken <= room
        });
        let fitting = fitting.count().max(1);
        self.widths.truncate(fitting);
    }

    fn push_row(&self, text: &mut String, row: &[String]) {
        let mut line = String::new();
        for (cell, known) in row.iter().zip(&self.widths) {
            let padding = known.saturating_sub(width(cell));
            line.push_str(&one_line(cell));
            line.extend(std::iter::repeat_n(' ', padding));
            line.push_str(GAP);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Facts under each other, their values aligned.
pub fn facts(facts: &[(&str, String)]) -> String {
    let longest = facts
        .iter()
        .map(|(name, _)| width(name))
        .max()
        .unwrap_or_default();
    facts
        .iter()
        .map(|(name, value)| format!("{name:<longest$}{GAP}{}\n", one_line(value)))
        .collect()
}

/// A JSON value as a cell: text without quotes, nothing as a dash, structure as compact JSON.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => one_line(text),
        Some(other) => other.to_string(),
    }
}

/// What others have written may hold line breaks, or characters that a terminal would obey, or that
/// turn around what stands beside them.
pub fn one_line(text: &str) -> String {
    let is_obeyed = |char: char| {
        char.is_control()
            || matches!(char, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|char| if is_obeyed(char) { ' ' } else { char })
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_have_no_tail() {
        let mut table = Table::new(["ID", "STATE"]);
        let text = table.render(&[row(&["größer", "RUNNING"]), row(&["b", "-"])]);
        assert_eq!(text, "ID      STATE\ngrößer  RUNNING\nb       -\n");
    }

    #[test]
    fn a_later_page_has_no_header_and_keeps_the_columns() {
        let mut table = Table::new(["ID", "STATE"]);
        table.render(&[row(&["abcd", "x"])]);
        assert_eq!(table.render(&[row(&["e", "y"])]), "e     y\n");
    }

    #[test]
    fn columns_that_do_not_fit_on_a_terminal_are_left_out_from_the_last() {
        let mut table = Table::new(["ID", "STATE", "AT"]).within(Some(12));
        let text = table.render(&[row(&["abc", "RUNNING", "now"])]);
        assert_eq!(text, "ID   STATE\nabc  RUNNING\n");
        assert_eq!(table.left_out(), ["AT"]);

        let mut narrow = Table::new(["ID", "STATE"]).within(Some(1));
        assert_eq!(narrow.render(&[row(&["abc", "x"])]), "ID\nabc\n");
        let mut piped = Table::new(["ID", "STATE"]).within(None);
        assert_eq!(piped.render(&[row(&["abc", "x"])]), "ID   STATE\nabc  x\n");
        assert!(piped.left_out().is_empty());
    }

    #[test]
    fn cells_are_plain_text() {
        assert_eq!(cell(Some(&json!("a\n\u{1b}[31mb"))), "a  [31mb");
        assert_eq!(cell(Some(&json!({"a": 1}))), r#"{"a":1}"#);
        assert_eq!(
            (cell(Some(&Value::Null)), cell(None), cell(Some(&json!(3)))),
            ("-".into(), "-".into(), "3".into())
        );
    }

    #[test]
    fn facts_are_aligned() {
        assert_eq!(
            facts(&[("id", "1".into()), ("state", "x".into())]),
            "id     1\nstate  x\n"
        );
    }

    #[test]
    fn what_others_have_written_stays_in_its_place() {
        let written = "up again\nGIVEN UP\u{1b}[31m\u{202e}\u{2066}";
        let shown = "up again GIVEN UP [31m";
        assert_eq!(
            Table::new(["REASON"]).render(&[row(&[written])]),
            format!("REASON\n{shown}\n")
        );
        assert_eq!(
            facts(&[("reason", written.into())]),
            format!("reason  {shown}  \n")
        );
    }
}
