//! Protobuf messages and `google.protobuf.Struct`, written without a tree in between.

use bytes::{BufMut, BytesMut};

/// Writes the fields of a `google.protobuf.Struct`. A key must be written once.
#[derive(Debug)]
pub struct StructWriter<'a> {
    out: &'a mut BytesMut,
}

impl<'a> StructWriter<'a> {
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.leaf(key, Leaf::Text(text));
    }

    /// A number; what isn't finite has no JSON and becomes null.
    pub fn number(&mut self, key: &str, number: f64) {
        self.leaf(key, Leaf::number(number));
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.leaf(key, Leaf::Bool(value));
    }

    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut StructWriter<'_>)) {
        self.nested(key, |out| object(out, fill));
    }

    pub fn list(&mut self, key: &str, fill: impl FnOnce(&mut ListWriter<'_>)) {
        self.nested(key, |out| list(out, fill));
    }

    /// An entry of `fields = 1`, whose key is 1 and whose value is 2.
    fn leaf(&mut self, key: &str, leaf: Leaf<'_>) {
        let value = leaf.len();
        let entry = 2 + varint_len(key.len()) + key.len() + varint_len(value) + value;
        self.out.put_u8(0x0a);
        varint(self.out, entry as u64);
        text(self.out, 1, key);
        self.out.put_u8(0x12);
        varint(self.out, value as u64);
        leaf.write(self.out);
    }

    fn nested(&mut self, key: &str, fill: impl FnOnce(&mut BytesMut)) {
        message(self.out, 1, |out| {
            text(out, 1, key);
            message(out, 2, fill);
        });
    }
}

/// Writes the elements of a `google.protobuf.ListValue`.
#[derive(Debug)]
pub struct ListWriter<'a> {
    out: &'a mut BytesMut,
}

impl ListWriter<'_> {
    pub fn text(&mut self, text: &str) {
        self.leaf(Leaf::Text(text));
    }

    /// A number; what isn't finite has no JSON and becomes null.
    pub fn number(&mut self, number: f64) {
        self.leaf(Leaf::number(number));
    }

    pub fn bool(&mut self, value: bool) {
        self.leaf(Leaf::Bool(value));
    }

    pub fn object(&mut self, fill: impl FnOnce(&mut StructWriter<'_>)) {
        message(self.out, 1, |out| object(out, fill));
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut ListWriter<'_>)) {
        message(self.out, 1, |out| list(out, fill));
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.out.put_u8(0x0a);
        varint(self.out, leaf.len() as u64);
        leaf.write(self.out);
    }
}

/// `Value.struct_value = 5`.
fn object(out: &mut BytesMut, fill: impl FnOnce(&mut StructWriter<'_>)) {
    message(out, 5, |out| fill(&mut StructWriter { out }));
}

/// `Value.list_value = 6`.
fn list(out: &mut BytesMut, fill: impl FnOnce(&mut ListWriter<'_>)) {
    message(out, 6, |out| fill(&mut ListWriter { out }));
}

/// A `google.protobuf.Value` whose length is known beforehand.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    Null,
    Number(f64),
    Text(&'a str),
    Bool(bool),
}

impl Leaf<'_> {
    fn number(number: f64) -> Self {
        if number.is_finite() { Leaf::Number(number) } else { Leaf::Null }
    }

    fn len(self) -> usize {
        match self {
            Leaf::Null | Leaf::Bool(_) => 2,
            Leaf::Number(_) => 9,
            Leaf::Text(text) => 1 + varint_len(text.len()) + text.len(),
        }
    }

    fn write(self, out: &mut BytesMut) {
        match self {
            Leaf::Null => out.put_slice(&[0x08, 0]),
            Leaf::Number(number) => {
                out.put_u8(0x11);
                out.put_f64_le(number);
            }
            Leaf::Text(value) => text(out, 3, value),
            Leaf::Bool(value) => out.put_slice(&[0x20, u8::from(value)]),
        }
    }
}

/// A message in field `number` (below 16) of as yet unknown length.
///
/// Most are shorter than 128 bytes, so one byte is left for the length and a longer message moves up.
pub(super) fn message(out: &mut BytesMut, number: u8, fill: impl FnOnce(&mut BytesMut)) {
    out.put_slice(&[number << 3 | 2, 0]);
    let start = out.len();
    fill(out);
    let length = out.len() - start;
    let wider = varint_len(length) - 1;
    if wider > 0 {
        out.put_bytes(0, wider);
        out.copy_within(start..start + length, start + wider);
    }
    if let Some(mut place) = out.get_mut(start - 1..start + wider) {
        varint(&mut place, length as u64);
    }
}

/// A string in field `number`, which is below 16.
pub(super) fn text(out: &mut BytesMut, number: u8, text: &str) {
    out.put_u8(number << 3 | 2);
    varint(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}

pub(super) fn varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Bytes that a length takes up as a varint.
pub(super) fn varint_len(length: usize) -> usize {
    (length | 1).ilog2() as usize / 7 + 1
}
