//! `transcript.json`: the document's fields in their order, one word, segment, topic or participant to a line, so that
//! the file of a long meeting can still be read, searched and compared line by line.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::transcript::TranscriptDocument;

/// The document as JSON, seconds to three decimals, ending with a newline.
pub fn to_json(document: &TranscriptDocument) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, LineFormatter::default());
    // Writing to memory can't fail, and the document has neither odd map keys nor failing serialisers.
    let written = document.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Breaks lines in the outermost object and in the lists right inside it, and nowhere deeper.
#[derive(Default)]
struct LineFormatter {
    depth: usize,
    /// Whether the list or object that is being closed had anything in it.
    filled: bool,
}

const BROKEN_DEPTH: usize = 2;

impl LineFormatter {
    fn open(&mut self) {
        self.depth += 1;
        self.filled = false;
    }

    fn separate<W: ?Sized + io::Write>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= BROKEN_DEPTH {
            newline(writer, self.depth)
        } else if first {
            Ok(())
        } else {
            writer.write_all(b" ")
        }
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.filled && self.depth < BROKEN_DEPTH { newline(writer, self.depth) } else { Ok(()) }
    }
}

fn newline<W: ?Sized + io::Write>(writer: &mut W, depth: usize) -> io::Result<()> {
    writer.write_all(b"\n")?;
    (0..depth).try_for_each(|_| writer.write_all(b"  "))
}

impl Formatter for LineFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open();
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer)?;
        CompactFormatter.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open();
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer)?;
        CompactFormatter.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn the_json_is_the_document_in_its_order_with_three_decimals_and_one_line_per_word() {
        let json = to_json(&fixtures::small());
        assert!(json.starts_with("{\n  \"schema_version\": 1,\n  \"id\": \"0193-empty\",\n  \"title\": "), "{json}");
        let word = r#"    {"text": "Hello", "start": 0.3, "end": 1.0, "speaker": 0, "probability": 0.988}"#;
        assert!(json.lines().any(|line| line == word), "{json}");
        let keys = ["id", "title", "status", "language", "backends", "duration", "participants", "words", "segments"];
        let places: Vec<_> = keys.iter().map(|key| json.find(&format!("\n  \"{key}\"")).unwrap()).collect();
        assert!(places.is_sorted());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for document in [fixtures::empty(), fixtures::hostile()] {
            let mut read: TranscriptDocument = serde_json::from_str(&to_json(&document)).unwrap();
            for word in &mut read.words {
                word.start = document.words[0].start;
                word.probability = document.words[0].probability;
            }
            assert_eq!(read, document);
        }
        assert!(to_json(&fixtures::empty()).contains("\"words\": [],"));
    }
}
