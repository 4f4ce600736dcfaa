//! One announced window, and the text that a record holds it as.

use crate::model::{Timestamp, Value};

/// Between the fields of a window; announcements have no control characters.
const FIELD: char = '\u{1f}';
/// Between the values that a window names.
const VALUE: char = '\u{1e}';

/// One announced window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<'w> {
    /// Who announces gives it: announced again, it takes the place of the last one.
    pub id: &'w str,
    /// The kind of change: `travel`.
    pub change: &'w str,
    pub from: Timestamp,
    /// It is over from then on.
    pub until: Timestamp,
    /// A ticket, say.
    pub reference: &'w str,
    /// Who announced it.
    pub by: &'w str,
    /// What it is restricted to, joined by [`VALUE`]; empty: not restricted.
    values: &'w str,
}

impl<'w> Window<'w> {
    pub fn new(id: &'w str, change: &'w str, from: Timestamp, until: Timestamp) -> Self {
        Window { id, change, from, until, reference: "", by: "", values: "" }
    }

    #[must_use]
    pub fn said(self, reference: &'w str, by: &'w str) -> Self {
        Window { reference, by, ..self }
    }

    /// Restricts it to `values`, as [`Window::join`] has made them one text.
    #[must_use]
    pub fn only(self, values: &'w str) -> Self {
        Window { values, ..self }
    }

    /// Values as one text; one that can't be a value makes it such that it is refused.
    pub fn join<S: AsRef<str>>(values: &[S]) -> String {
        let mut joined = String::new();
        for value in values {
            joined.push_str(&value.as_ref().replace(VALUE, "\0"));
            joined.push(VALUE);
        }
        joined
    }

    pub fn values(&self) -> impl Iterator<Item = &'w str> + use<'w> {
        self.values.split_terminator(VALUE)
    }

    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it is not restricted, or to what this value is among. What is not known
    /// is not what was announced.
    pub(super) fn names(&self, value: Value<'_>) -> bool {
        self.values.is_empty()
            || matches!(value, Value::Text(text) if self.values().any(|named| named == text))
    }

    pub(super) fn packed(&self) -> String {
        let Window { id, change, from, until, reference, by, values } = self;
        let (from, until) = (from.millis(), until.millis());
        format!(
            "{change}{FIELD}{from}{FIELD}{until}{FIELD}{values}{FIELD}{id}{FIELD}{reference}{FIELD}{by}"
        )
    }

    /// Nothing where a later version has written what this one can't read.
    pub(super) fn unpack(packed: &'w str) -> Option<Self> {
        let mut fields = packed.split(FIELD);
        let change = fields.next()?;
        let mut time = || Some(Timestamp::from_millis(fields.next()?.parse().ok()?));
        let (from, until) = (time()?, time()?);
        let (values, id) = (fields.next()?, fields.next()?);
        let (reference, by) = (fields.next()?, fields.next()?);
        Some(Window { id, change, from, until, reference, by, values })
    }
}
