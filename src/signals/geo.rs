//! Where an address is and whose it is: from MaxMind databases, or from a table
//! that a policy test gives.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

use super::lists::parse_prefix;
use crate::model::{GeoField, Value};

/// So many networks of a database are looked at to see what it is of.
const LOOKED_AT: usize = 1000;

/// Where geo answers come from.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Files { city: Option<Arc<GeoFile>>, asn: Option<Arc<GeoFile>> },
    Table(GeoTable),
}

impl Default for Source {
    fn default() -> Self {
        Source::Files { city: None, asn: None }
    }
}

/// A database in memory, checked whole when it was read.
pub struct GeoFile(Reader<Vec<u8>>);

impl std::fmt::Debug for GeoFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GeoFile({})", self.0.metadata().database_type)
    }
}

/// All that is known of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place<'g> {
    pub country: Option<&'g str>,
    pub city: Option<&'g str>,
    pub asn: Option<u32>,
    pub org: Option<&'g str>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub radius_km: Option<f64>,
}

impl<'g> Place<'g> {
    /// One field; missing where it isn't known.
    pub fn field(&self, field: GeoField) -> Value<'g> {
        let text = |text: Option<&'g str>| text.map_or(Value::Missing, Value::Text);
        let number = |number: Option<f64>| number.map_or(Value::Missing, Value::number);
        match field {
            GeoField::Country => text(self.country),
            GeoField::City => text(self.city),
            GeoField::Asn => number(self.asn.map(f64::from)),
            GeoField::Org => text(self.org),
            GeoField::Latitude => number(self.latitude),
            GeoField::Longitude => number(self.longitude),
            GeoField::RadiusKm => number(self.radius_km),
        }
    }
}

impl Geo {
    pub fn table(table: GeoTable) -> Self {
        Geo { source: Source::Table(table) }
    }

    /// Whether it knows nothing of any address.
    pub fn is_empty(&self) -> bool {
        match &self.source {
            Source::Files { city, asn } => city.is_none() && asn.is_none(),
            Source::Table(table) => table.0.is_empty(),
        }
    }

    pub(super) fn set_city(&mut self, file: Arc<GeoFile>) {
        if let Source::Files { city, .. } = &mut self.source {
            *city = Some(file);
        }
    }

    pub(super) fn set_asn(&mut self, file: Arc<GeoFile>) {
        if let Source::Files { asn, .. } = &mut self.source {
            *asn = Some(file);
        }
    }

    /// What is known of an address.
    pub fn place(&self, ip: IpAddr) -> Place<'_> {
        let ip = ip.to_canonical();
        match &self.source {
            Source::Table(table) => table.place(ip),
            Source::Files { city, asn } => {
                let mut place = Place::default();
                if let Some(found) = city.as_ref().and_then(|file| file.find::<CityEntry<'_>>(ip)) {
                    place.country = found.country.iso_code;
                    place.city = found.city.names.en;
                    place.latitude = found.location.latitude;
                    place.longitude = found.location.longitude;
                    place.radius_km = found.location.accuracy_radius.map(f64::from);
                }
                if let Some(found) = asn.as_ref().and_then(|file| file.find::<AsnEntry<'_>>(ip)) {
                    place.asn = found.autonomous_system_number;
                    place.org = found.autonomous_system_organization;
                }
                place
            }
        }
    }
}

impl GeoFile {
    /// Takes a database, after reading through all of it: a broken one is found
    /// here rather than by a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
        reader.verify().map_err(|error| error.to_string())?;
        Ok(GeoFile(reader))
    }

    /// What its makers call its kind.
    pub(super) fn kind(&self) -> &str {
        &self.0.metadata().database_type
    }

    /// Whether it says of addresses where they are, as far as can be seen.
    pub(super) fn has_places(&self) -> bool {
        self.any(|entry: &CityEntry<'_>| {
            entry.country.iso_code.is_some() || entry.location.latitude.is_some()
        })
    }

    /// Whether it says of addresses whose they are.
    pub(super) fn has_networks(&self) -> bool {
        self.any(|entry: &AsnEntry<'_>| entry.autonomous_system_number.is_some())
    }

    /// Whether one of the first networks, if there are any, is like that.
    fn any<'g, T: Deserialize<'g>>(&'g self, holds: impl Fn(&T) -> bool) -> bool {
        let Ok(networks) = self.0.networks(WithinOptions::default()) else { return false };
        let mut first = networks.take(LOOKED_AT).peekable();
        first.peek().is_none()
            || first.any(|found| {
                found.ok().and_then(|it| it.decode().ok()?).is_some_and(|it| holds(&it))
            })
    }

    pub(super) fn nodes(&self) -> usize {
        usize::try_from(self.0.metadata().node_count).unwrap_or(usize::MAX)
    }

    fn find<'g, T: Deserialize<'g>>(&'g self, ip: IpAddr) -> Option<T> {
        self.0.lookup(ip).ok()?.decode().ok()?
    }
}

// Only the fields that policies can ask for: the rest is skipped, not built.

#[derive(Default, Deserialize)]
#[serde(default)]
struct CityEntry<'g> {
    #[serde(borrow)]
    country: Country<'g>,
    #[serde(borrow)]
    city: City<'g>,
    location: Location,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Country<'g> {
    iso_code: Option<&'g str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct City<'g> {
    #[serde(borrow)]
    names: Names<'g>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Names<'g> {
    en: Option<&'g str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
    accuracy_radius: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AsnEntry<'g> {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'g str>,
}

/// Geo data by prefix, as policy tests give it; the longest prefix answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeoTable(Vec<(IpNet, OwnedPlace)>);

/// A [`Place`] on its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnedPlace {
    pub country: Option<String>,
    pub city: Option<String>,
    pub asn: Option<u32>,
    pub org: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub radius_km: Option<f64>,
}

impl GeoTable {
    /// Adds an address or a prefix; false where it is neither.
    #[must_use]
    pub fn insert(&mut self, prefix: &str, place: OwnedPlace) -> bool {
        let prefix = parse_prefix(prefix);
        self.0.extend(prefix.map(|prefix| (prefix, place)));
        prefix.is_some()
    }

    fn place(&self, ip: IpAddr) -> Place<'_> {
        let covering = self.0.iter().filter(|(prefix, _)| prefix.contains(&ip));
        let longest = covering.max_by_key(|(prefix, _)| prefix.prefix_len());
        longest.map_or(Place::default(), |(_, place)| Place {
            country: place.country.as_deref(),
            city: place.city.as_deref(),
            asn: place.asn,
            org: place.org.as_deref(),
            latitude: place.latitude,
            longitude: place.longitude,
            radius_km: place.radius_km,
        })
    }
}
