//! The protobuf wire format, read in place.
//!
//! Accepts and rejects what `prost` does, but for groups: proto3 has none and
//! Envoy sends none, so that a group is an error here, known field or not.

use std::str;

/// Why a message could not be read; `within` is the protobuf message it happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{within}: ends in the middle of a field")]
    Truncated { within: &'static str },
    #[error("{within}: a varint of more than 64 bits")]
    Varint { within: &'static str },
    #[error("{within}: not a field key")]
    Key { within: &'static str },
    #[error("{within}: field {field} is a group, which proto3 doesn't have")]
    Group { within: &'static str, field: u32 },
    #[error("{within}: field {field} has the wrong wire type")]
    WireType { within: &'static str, field: u32 },
    #[error("{within}: field {field} is not UTF-8")]
    Utf8 { within: &'static str, field: u32 },
    #[error("more than {limit} headers")]
    TooManyHeaders { limit: usize },
    #[error("more than {limit} context extensions")]
    TooManyExtensions { limit: usize },
}

/// What stands behind a field's key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'r> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'r [u8]),
    Fixed32,
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'r> {
    pub(super) number: u32,
    payload: Payload<'r>,
    within: &'static str,
}

impl<'r> Field<'r> {
    pub(super) fn bytes(&self) -> Result<&'r [u8], DecodeError> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong_type()),
        }
    }

    pub(super) fn text(&self) -> Result<&'r str, DecodeError> {
        str::from_utf8(self.bytes()?)
            .map_err(|_| DecodeError::Utf8 { within: self.within, field: self.number })
    }

    pub(super) fn varint(&self) -> Result<u64, DecodeError> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(self.wrong_type()),
        }
    }

    /// An `int64`: negative numbers are varints of ten bytes.
    pub(super) fn int64(&self) -> Result<i64, DecodeError> {
        Ok(self.varint()?.cast_signed())
    }

    /// A `uint32`, of which protobuf keeps the low 32 bits.
    pub(super) fn uint32(&self) -> Result<u32, DecodeError> {
        let low = self.varint()? & u64::from(u32::MAX);
        Ok(u32::try_from(low).unwrap_or(u32::MAX))
    }

    pub(super) fn double(&self) -> Result<f64, DecodeError> {
        match self.payload {
            Payload::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(self.wrong_type()),
        }
    }

    #[cold]
    fn wrong_type(&self) -> DecodeError {
        DecodeError::WireType { within: self.within, field: self.number }
    }
}

/// The fields of one message, in the order of the wire.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'r> {
    rest: &'r [u8],
    within: &'static str,
}

impl<'r> Scanner<'r> {
    pub(super) fn new(message: &'r [u8], within: &'static str) -> Self {
        Self { rest: message, within }
    }

    /// The next field, or `None` at the message's end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'r>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let within = self.within;
        let key = u32::try_from(self.varint()?).map_err(|_| DecodeError::Key { within })?;
        let number = key >> 3;
        if number == 0 {
            return Err(DecodeError::Key { within });
        }
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(*self.fixed::<8>()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.truncated())?;
                let (bytes, rest) =
                    self.rest.split_at_checked(length).ok_or_else(|| self.truncated())?;
                self.rest = rest;
                Payload::Bytes(bytes)
            }
            5 => {
                self.fixed::<4>()?;
                Payload::Fixed32
            }
            3 | 4 => return Err(DecodeError::Group { within, field: number }),
            _ => return Err(DecodeError::Key { within }),
        };
        Ok(Some(Field { number, payload, within }))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                if at == 9 && *byte > 1 {
                    break;
                }
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        if self.rest.len() < 10 {
            return Err(self.truncated());
        }
        Err(DecodeError::Varint { within: self.within })
    }

    fn fixed<const N: usize>(&mut self) -> Result<&'r [u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(bytes)
    }

    #[cold]
    fn truncated(&self) -> DecodeError {
        DecodeError::Truncated { within: self.within }
    }
}
