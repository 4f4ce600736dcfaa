//! The places of everything in a file, by the events of `saphyr-parser`.
//!
//! The events are walked without recursion and against the limits, so that
//! nothing that is too deep or too large ever reaches the reader of values.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::shape::{ByteOffsets, Key, Shape, SpanEntry, SpanNode, Style};
use super::{MAX_DEPTH, MAX_FOLDER_NODES, MAX_NODES};
use crate::policy::diagnostic::{Diagnostics, Place, SourceFile, quoted};

/// So many bytes of a text count as one more value: a long text behind many
/// aliases is a bomb too.
const BYTES_PER_VALUE: usize = 32;

/// The documents of a file, up to the first mistake that can't be read over.
///
/// `budget` is how many values all files together may still have.
pub(super) fn index(
    file: &Arc<SourceFile>,
    budget: &mut usize,
    diagnostics: &mut Diagnostics,
) -> Vec<Rc<SpanNode>> {
    let mut indexer = Indexer {
        file,
        diagnostics,
        bytes: ByteOffsets::of(&file.text),
        open: Vec::new(),
        anchors: HashMap::new(),
        left: MAX_NODES.min(*budget),
        documents: Vec::new(),
    };
    let given = indexer.left;
    let mut parser = Parser::new_from_str(&file.text);
    while let Some(event) = parser.next_event() {
        let done = match event {
            Ok((event, span)) => indexer.event(event, span),
            Err(error) => indexer.syntax_error(&error),
        };
        if done.is_err() {
            break;
        }
    }
    *budget = budget.saturating_sub(given - indexer.left);
    indexer.documents
}

/// The mistake has been reported; the rest of the file can't be read.
struct Stop;

struct Indexer<'f> {
    file: &'f Arc<SourceFile>,
    diagnostics: &'f mut Diagnostics,
    bytes: ByteOffsets,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<SpanNode>>,
    /// Values that may still come.
    left: usize,
    documents: Vec<Rc<SpanNode>>,
}

/// A collection whose end has not come yet.
struct Open {
    anchor: usize,
    start: usize,
    size: usize,
    height: usize,
    items: Items,
}

enum Items {
    Sequence(Vec<Rc<SpanNode>>),
    Mapping {
        entries: Vec<SpanEntry>,
        key: Option<(Key, bool)>,
        seen: HashMap<String, Range<usize>>,
    },
}

impl Indexer<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let span = self.bytes.range(&span);
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let decorated = anchor != 0 || tag.is_some();
                if let Some(tag) = tag {
                    self.refuse_tag(&tag.to_string(), &span);
                }
                let (span, style) = self.scalar(span, &text, style, decorated);
                let size = 1 + text.len() / BYTES_PER_VALUE;
                let shape = Shape::Scalar { text: text.into_owned(), style };
                let node = Rc::new(SpanNode { span, shape, size, height: 0 });
                self.remember(anchor, &node);
                self.add(node)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).map(Rc::clone) {
                Some(node) => self.add_alias(node, span),
                None => self.stop(span, "an alias must name an anchor that ended before it"),
            },
            Event::SequenceStart(anchor, tag) => {
                let items = Items::Sequence(Vec::new());
                self.open(anchor, tag.map(|tag| tag.to_string()), span, items)
            }
            Event::MappingStart(anchor, tag) => {
                let items = Items::Mapping { entries: Vec::new(), key: None, seen: HashMap::new() };
                self.open(anchor, tag.map(|tag| tag.to_string()), span, items)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => Ok(()),
        }
    }

    fn open(
        &mut self,
        anchor: usize,
        tag: Option<String>,
        span: Range<usize>,
        items: Items,
    ) -> Result<(), Stop> {
        if let Some(tag) = tag {
            self.refuse_tag(&tag, &span);
        }
        self.check_depth(self.open.len() + 1, &span)?;
        self.open.push(Open { anchor, start: span.start, size: 1, height: 1, items });
        Ok(())
    }

    fn close(&mut self, end: Range<usize>) -> Result<(), Stop> {
        let Some(Open { anchor, start, size, height, items }) = self.open.pop() else {
            return Ok(());
        };
        let (shape, inner) = match items {
            Items::Sequence(items) => {
                let inner = covered(items.first().map(|item| &item.span), items.last());
                (Shape::Sequence(items), inner)
            }
            Items::Mapping { entries, .. } => {
                let last = entries.last().map(|entry| &entry.value);
                let inner = covered(entries.first().map(|entry| &entry.key.span), last);
                (Shape::Mapping(entries), inner)
            }
        };
        // Block collections have no brackets: they reach from first to last.
        let span = match inner {
            Some(inner) if end.is_empty() => inner,
            _ => start..end.end.max(start),
        };
        let node = Rc::new(SpanNode { span, shape, size, height });
        self.remember(anchor, &node);
        self.add_built(node)
    }

    fn remember(&mut self, anchor: usize, node: &Rc<SpanNode>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    fn add_alias(&mut self, node: Rc<SpanNode>, span: Range<usize>) -> Result<(), Stop> {
        self.check_depth(self.open.len() + node.height, &span)?;
        self.count(node.size, &span)?;
        if self.awaits_key() {
            return self.add_key(Key { text: String::new(), span }, Some("an alias"));
        }
        self.place(node)
    }

    /// A scalar: a key or a value.
    fn add(&mut self, node: Rc<SpanNode>) -> Result<(), Stop> {
        if self.awaits_key() {
            let Shape::Scalar { text, style } = &node.shape else { return Ok(()) };
            let key = Key { text: text.clone(), span: node.span.clone() };
            let size = node.size - 1;
            self.count(size, &node.span)?;
            if let Some(parent) = self.open.last_mut() {
                parent.size = parent.size.saturating_add(size);
            }
            let wrong = match (text.as_str(), style) {
                ("", Style::Plain) => Some("empty"),
                ("<<", Style::Plain) => Some("a merge key (`<<`)"),
                _ => None,
            };
            return self.add_key(key, wrong);
        }
        self.count(node.size, &node.span)?;
        self.place(node)
    }

    /// A collection that ended; its content is counted already.
    fn add_built(&mut self, node: Rc<SpanNode>) -> Result<(), Stop> {
        self.count(1, &node.span)?;
        if self.awaits_key() {
            let key = Key { text: String::new(), span: node.span.clone() };
            return self.add_key(key, Some("a list or a mapping"));
        }
        self.place(node)
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { items: Items::Mapping { key: None, .. }, .. }))
    }

    fn add_key(&mut self, key: Key, wrong: Option<&str>) -> Result<(), Stop> {
        let Some(Open { items: Items::Mapping { key: slot, seen, .. }, .. }) = self.open.last_mut()
        else {
            return Ok(());
        };
        let place = Place { file: Arc::clone(self.file), span: key.span.clone() };
        let mut refused = true;
        if let Some(wrong) = wrong {
            let error = self.diagnostics.error(place, format!("a key must be a word, not {wrong}"));
            if wrong.starts_with("a list") {
                error.help("put quotes around text that begins with `{` or `[`");
            }
        } else if let Some(first) = seen.get(&key.text) {
            let first = Place { file: Arc::clone(self.file), span: first.clone() };
            self.diagnostics
                .error(place, format!("duplicate key {}", quoted(&key.text)))
                .also(first, "first given here");
        } else {
            seen.insert(key.text.clone(), key.span.clone());
            refused = false;
        }
        *slot = Some((key, refused));
        Ok(())
    }

    fn place(&mut self, node: Rc<SpanNode>) -> Result<(), Stop> {
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        parent.size = parent.size.saturating_add(node.size);
        parent.height = parent.height.max(node.height + 1);
        match &mut parent.items {
            Items::Sequence(items) => items.push(node),
            Items::Mapping { entries, key, .. } => {
                if let Some((key, refused)) = key.take() {
                    entries.push(SpanEntry { key, value: node, refused });
                }
            }
        }
        Ok(())
    }

    /// The bytes of a scalar's own text, without anchor, tag and blank lines after a block.
    fn scalar(
        &self,
        span: Range<usize>,
        text: &str,
        style: ScalarStyle,
        decorated: bool,
    ) -> (Range<usize>, Style) {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        if text.is_empty() && style == Style::Plain {
            return (span.start..span.start, style);
        }
        let mut written = self.file.text.get(span.clone()).unwrap_or("").trim_end();
        let end = span.start + written.len();
        while decorated && written.starts_with(['&', '!']) {
            let Some((_, rest)) = written.split_once(char::is_whitespace) else { break };
            written = rest.trim_start();
        }
        (end - written.len()..end, style)
    }

    fn refuse_tag(&mut self, tag: &str, span: &Range<usize>) {
        let place = Place { file: Arc::clone(self.file), span: span.clone() };
        self.diagnostics
            .error(place, format!("{} is a YAML tag here and would be lost", quoted(tag)))
            .help("put quotes around the whole value, as in `'!x.managed'`");
    }

    fn check_depth(&mut self, depth: usize, span: &Range<usize>) -> Result<(), Stop> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        self.stop(span.clone(), format!("nested deeper than {MAX_DEPTH} levels"))
    }

    fn count(&mut self, more: usize, span: &Range<usize>) -> Result<(), Stop> {
        if let Some(left) = self.left.checked_sub(more) {
            self.left = left;
            return Ok(());
        }
        let place = Place { file: Arc::clone(self.file), span: span.clone() };
        let limits =
            format!("more than {MAX_NODES} values in one file or {MAX_FOLDER_NODES} in the folder");
        self.diagnostics.error(place, limits).help(
            "what an alias stands for counts each time, and each 32 bytes of a text count as a value",
        );
        Err(Stop)
    }

    fn syntax_error(&mut self, error: &ScanError) -> Result<(), Stop> {
        let at = self.bytes.byte(error.marker().index());
        // What saphyr says where flow collections nest deeper than it can count.
        if error.info().contains("recursion limit") {
            return self.stop(at..at, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let next = self.file.text.get(at..).and_then(|rest| rest.chars().next());
        let end = at + next.map_or(0, char::len_utf8);
        self.stop(at..end, format!("not valid YAML: {}", error.info()))
    }

    fn stop(&mut self, span: Range<usize>, message: impl Into<String>) -> Result<(), Stop> {
        let place = Place { file: Arc::clone(self.file), span };
        self.diagnostics.error(place, message);
        Err(Stop)
    }
}

fn covered(first: Option<&Range<usize>>, last: Option<&Rc<SpanNode>>) -> Option<Range<usize>> {
    let (first, last) = (first?, last?);
    Some(first.start..last.span.end.max(first.end))
}
