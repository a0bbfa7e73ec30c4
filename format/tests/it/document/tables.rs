//! The tables of the document, and the comparison of bytes with them.

use std::io::ErrorKind;

pub(crate) const OFFSETS: &str = "| offset | size | field |";

/// The document, where there is one: it is no part of a published package.
pub(crate) struct Document(pub(crate) String);

/// A table: the heading it stands under, its first line, its rows as cells.
pub(crate) type Table<'a> = (&'a str, &'a str, Vec<Vec<&'a str>>);

/// A row of an offset table.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) field: &'a str,
}

impl Document {
    pub(crate) fn read() -> Option<Document> {
        match std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FORMAT.md")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("skipped: there is no docs/FORMAT.md beside the crate");
                None
            }
            text => Some(Document(text.expect("docs/FORMAT.md can be read"))),
        }
    }

    pub(crate) fn tables(&self) -> Vec<Table<'_>> {
        let mut all: Vec<Table<'_>> = Vec::new();
        let (mut heading, mut in_table) = ("", false);
        for line in self.0.lines() {
            if line.starts_with('#') {
                heading = line.trim_start_matches('#').trim();
            }
            if !line.starts_with('|') {
                in_table = false;
            } else if in_table {
                let (_, _, rows) = all.last_mut().expect("a table");
                if !line.starts_with("|---") {
                    rows.push(line.trim_matches('|').split(" | ").map(str::trim).collect());
                }
            } else {
                in_table = true;
                all.push((heading, line, Vec::new()));
            }
        }
        all
    }

    /// The rows of the table under this heading that begins with this line.
    pub(crate) fn rows(&self, heading: &str, start: &str) -> Vec<Vec<&str>> {
        let mut found = self.tables();
        found.retain(|(under, first, _)| *under == heading && first.starts_with(start));
        assert_eq!(found.len(), 1, "tables under {heading:?} that begin with {start:?}");
        found.remove(0).2
    }

    pub(crate) fn offsets(&self, heading: &str) -> Vec<Row<'_>> {
        let number = |cell: &str| cell.parse().expect("offset and size in decimal digits");
        self.rows(heading, OFFSETS)
            .iter()
            .map(|cells| Row { offset: number(cells[0]), size: number(cells[1]), field: cells[2] })
            .collect()
    }

    /// Compares the bytes of a structure with its table: every field stands where the table says, and
    /// what is reserved is zero. `fields` names all but the checksum and what is reserved.
    pub(crate) fn compare(&self, heading: &str, bytes: &[u8], fields: &[(&str, &[u8])]) {
        let mut named = 0;
        for Row { offset, size, field } in self.offsets(heading) {
            let found = &bytes[offset..offset + size];
            match fields.iter().find(|(name, _)| *name == field) {
                Some((_, expected)) => {
                    assert_eq!(found, *expected, "{heading}, {field}");
                    named += 1;
                }
                None if field == "crc" => {}
                None => {
                    assert_eq!(field, "reserved", "{heading} names a field that nobody checks");
                    assert!(found.iter().all(|byte| *byte == 0), "{heading}, reserved at {offset}");
                }
            }
        }
        assert_eq!(named, fields.len(), "{heading} lacks a field");
    }

    /// The same for a header in which every field is a marker that occurs nowhere else.
    pub(crate) fn find(&self, heading: &str, bytes: &[u8], fields: &[(&str, &[u8])]) {
        self.compare(heading, bytes, fields);
        for Row { offset, size, field } in self.offsets(heading) {
            if let Some((_, marker)) = fields.iter().find(|(name, _)| *name == field) {
                let places: Vec<_> = (0..=bytes.len() - size)
                    .filter(|at| bytes[*at..].starts_with(marker))
                    .collect();
                assert_eq!(places, [offset], "{heading}, {field}");
            }
        }
    }
}
