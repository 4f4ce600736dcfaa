//! Profiles, links and labels.

use super::Rest;
use crate::learn::{self, Kept, KeptLabel, KeptLink, KeptMeasure, LinkValue};
use crate::model::{EntityKind, Timestamp, Vocabulary};
use crate::store::names::Names;

// How a link is written: by what its value is. The first two are of versions that didn't
// keep when it was made, and are read only.
const HASH_OF_OLD: u8 = 0;
const OWN_OF_OLD: u8 = 1;
const HASH: u8 = 2;
const OWN: u8 = 3;

pub(in crate::store) fn encode_profile(
    kept: &Kept,
    names: &mut Names,
    vocabulary: &Vocabulary,
) -> Option<Vec<u8>> {
    let mut bytes = kept.seen.to_le_bytes().to_vec();
    for KeptMeasure { measure, time, words } in &kept.measures {
        bytes.extend(names.measure(*measure, vocabulary)?.to_le_bytes());
        bytes.extend(u16::try_from(words.len()).ok()?.to_le_bytes());
        bytes.extend(time.to_le_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    Some(bytes)
}

/// When the entity of a profile was observed last.
pub(in crate::store) fn last_seen(bytes: &[u8]) -> Option<Timestamp> {
    Rest(bytes).u32().map(learn::time_of)
}

pub(in crate::store) fn decode_profile(
    bytes: &[u8],
    names: &Names,
    vocabulary: &Vocabulary,
) -> Option<Kept> {
    let mut rest = Rest(bytes);
    let mut kept = Kept { seen: rest.u32()?, measures: Vec::new() };
    while !rest.0.is_empty() {
        let (number, len, time) = (rest.u16()?, rest.u16()?, rest.u32()?);
        let (words, _) = rest.take(usize::from(len) * 8)?.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if let Some(measure) = names.measure_id(number, vocabulary) {
            kept.measures.push(KeptMeasure { measure, time, words });
        }
    }
    Some(kept)
}

/// What there is no number for is left out.
pub(in crate::store) fn encode_links(
    links: &[KeptLink],
    names: &mut Names,
    vocabulary: &Vocabulary,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(links.len() * 19);
    for KeptLink { identifier, value, since, seen } in links {
        let Some(identifier) = names.measure(*identifier, vocabulary) else { continue };
        let (tag, value) = match value {
            LinkValue::Hash(hash) => (HASH, hash.to_le_bytes().to_vec()),
            LinkValue::Own(kind, id) => match encode_entity(*kind, id, names, vocabulary) {
                Some(entity) => (OWN, entity),
                None => continue,
            },
        };
        bytes.extend(identifier.to_le_bytes());
        bytes.extend(seen.to_le_bytes());
        bytes.push(tag);
        bytes.extend(since.to_le_bytes());
        bytes.extend(value);
    }
    bytes
}

/// Links by what the catalog doesn't name now are left out.
pub(in crate::store) fn decode_links(
    bytes: &[u8],
    names: &Names,
    vocabulary: &Vocabulary,
) -> Option<Vec<KeptLink>> {
    let mut rest = Rest(bytes);
    let mut links = Vec::new();
    while !rest.0.is_empty() {
        let (number, seen, tag) = (rest.u16()?, rest.u32()?, rest.u8()?);
        let since = match tag {
            HASH_OF_OLD | OWN_OF_OLD => learn::LONG_AGO,
            _ => rest.u32()?,
        };
        let value = match tag {
            HASH | HASH_OF_OLD => Some(LinkValue::Hash(rest.array().map(u64::from_le_bytes)?)),
            OWN | OWN_OF_OLD => {
                let (kind, id) = rest.entity(names, vocabulary)?;
                kind.map(|kind| LinkValue::Own(kind, id.into()))
            }
            _ => return None,
        };
        if let Some(identifier) = names.measure_id(number, vocabulary)
            && let Some(value) = value
        {
            links.push(KeptLink { identifier, value, since, seen });
        }
    }
    Some(links)
}

pub(in crate::store) fn encode_label(
    label: &KeptLabel,
    names: &mut Names,
    vocabulary: &Vocabulary,
) -> Vec<u8> {
    let mut bytes = label.at.to_le_bytes().to_vec();
    bytes.push(u8::from(label.bad));
    for (kind, id) in &label.with {
        bytes.extend(encode_entity(*kind, id, names, vocabulary).unwrap_or_default());
    }
    bytes
}

pub(in crate::store) fn decode_label(
    bytes: &[u8],
    names: &Names,
    vocabulary: &Vocabulary,
) -> Option<KeptLabel> {
    let mut rest = Rest(bytes);
    let at = rest.u32()?;
    let bad = match rest.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let mut with = Vec::new();
    while !rest.0.is_empty() {
        let (kind, id) = rest.entity(names, vocabulary)?;
        with.extend(kind.map(|kind| (kind, id.into())));
    }
    Some(KeptLabel { bad, at, with })
}

fn encode_entity(
    kind: EntityKind,
    id: &str,
    names: &mut Names,
    vocabulary: &Vocabulary,
) -> Option<Vec<u8>> {
    let (kind, len) = (names.kind(kind, vocabulary)?, u16::try_from(id.len()).ok()?);
    Some([&kind.to_le_bytes()[..], &len.to_le_bytes(), id.as_bytes()].concat())
}
