//! A configuration file as keys, values and lines. YAML, and with it JSON, which is a part of it.
//!
//! The file is an operator's, but it is read before anything else can say no: how deep it nests, how many parts it has
//! and how often one of them is repeated are bounded, and so is what reading it costs.

use granit_parser::{Event, Parser, ScalarStyle, ScanError};
use std::collections::BTreeMap;

/// Larger files are no configuration.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Keys, values, and beginnings and ends of lists and blocks.
const PARTS_MAX: usize = 10_000;
/// Blocks and lists within each other. etcd's own nest four deep.
const DEPTH_MAX: usize = 8;

/// A key with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    Scalar(Scalar),
    List(Vec<Value>),
    Block(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Without quotes: a number or a boolean may be meant.
    pub(super) is_plain: bool,
}

/// What a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) entries: Vec<Entry>,
    /// Another document follows, which nobody reads.
    pub(super) has_more: bool,
}

/// Why it cannot be read, and the line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) line: usize,
    pub(super) why: String,
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    parts: usize,
    /// Scalars that an alias may repeat.
    anchored: BTreeMap<usize, Value>,
}

/// Reads the first document of a text: keys and values, or nothing at all.
pub(super) fn read(text: &str) -> Result<Document, Unreadable> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Unreadable { line: 1, why: format!("longer than {FILE_BYTES_MAX} bytes") });
    }
    let options = granit_parser::options! {
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, parts: 0, anchored: BTreeMap::new() };
    let mut entries = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (Event::DocumentEnd, _) => break,
            (Event::StreamEnd, _) => return Ok(Document { entries, has_more: false }),
            (event, line) => match reader.value(event, line)? {
                Value::Null => {}
                Value::Block(found) => entries = found,
                Value::Scalar(_) | Value::List(_) => {
                    return Err(Unreadable {
                        line,
                        why: "expected keys with values (key: value)".to_owned(),
                    });
                }
            },
        }
    }
    let has_more = !matches!(reader.parser.next_event(), Some(Ok((Event::StreamEnd, _))) | None);
    Ok(Document { entries, has_more })
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Unreadable> {
        self.parts += 1;
        let (event, span) = match self.parser.next_event() {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(unreadable(&error)),
            None => return Ok((Event::StreamEnd, 1)),
        };
        let line = span.start.line();
        if self.parts > PARTS_MAX {
            return Err(Unreadable { line, why: format!("more than {PARTS_MAX} keys and values") });
        }
        Ok((event, line))
    }

    /// The value that begins with an event. It nests no deeper than the parser lets it.
    fn value(&mut self, event: Event<'a>, line: usize) -> Result<Value, Unreadable> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Value::Null,
                    text => Value::Scalar(Scalar { text: text.to_owned(), is_plain }),
                };
                if anchor > 0
                    && let Value::Scalar(scalar) = &value
                {
                    self.anchored.insert(anchor, Value::Scalar(scalar.clone()));
                }
                Ok(value)
            }
            Event::Alias(anchor) => match self.anchored.get(&anchor) {
                // A scalar that is repeated often is paid for by its length.
                Some(Value::Scalar(scalar)) if scalar.text.len() <= 1024 => Ok(Value::Scalar(scalar.clone())),
                _ => Err(Unreadable {
                    line,
                    why: "only a short text or number can be repeated (*)".to_owned(),
                }),
            },
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                        (event, line) => items.push(self.value(event, line)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    let (event, line) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        return Ok(Value::Block(entries));
                    }
                    let key = match self.value(event, line)? {
                        Value::Scalar(key) => key.text,
                        Value::Null => String::new(),
                        Value::List(_) | Value::Block(_) => {
                            return Err(Unreadable { line, why: "a key must be a text".to_owned() });
                        }
                    };
                    let (event, value_line) = self.next()?;
                    let value = self.value(event, value_line)?;
                    entries.push(Entry { key, line, value });
                }
            }
            Event::StreamEnd => Err(Unreadable { line, why: "it ends too early".to_owned() }),
            _ => Ok(Value::Null),
        }
    }
}

/// The parser's own words, without its position: that is told as a line.
fn unreadable(error: &ScanError) -> Unreadable {
    Unreadable { line: error.marker().line(), why: error.info() }
}
