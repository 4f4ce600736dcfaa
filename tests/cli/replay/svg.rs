//! A plot, read as XML.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;

/// What is told in a plot.
#[derive(Default)]
pub(crate) struct Svg {
    pub(crate) texts: Vec<String>,
    /// The points of the lines that are two pixels wide, which neither axes nor legends are.
    pub(crate) curves: Vec<Vec<(f64, f64)>>,
}

impl Svg {
    /// Reads one that has to be well-formed.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let mut reader = Reader::from_str(&text);
        let (mut svg, mut open) = (Svg::default(), Vec::new());
        let mut roots = 0;
        loop {
            let event = reader.read_event();
            let event = event.map_err(|why| format!("{}: {why}", file.display())).unwrap();
            match event {
                Event::Start(tag) => {
                    roots += usize::from(open.is_empty());
                    svg.note(&tag);
                    open.push(tag.name().as_ref().to_vec());
                }
                Event::Empty(tag) => svg.note(&tag),
                Event::End(_) => drop(open.pop()),
                Event::Text(text) => svg.say(&open, &text.decode().unwrap()),
                Event::GeneralRef(name) => {
                    let name = name.decode().unwrap();
                    let meant =
                        quick_xml::escape::unescape(&format!("&{name};")).unwrap().into_owned();
                    svg.say(&open, &meant);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty() && roots == 1, "{}: {open:?}", file.display());
        for text in &mut svg.texts {
            *text = text.trim().to_owned();
        }
        svg
    }

    fn note(&mut self, tag: &quick_xml::events::BytesStart<'_>) {
        // Reading all of them finds those that are not well-formed.
        let attributes: Vec<(String, String)> = tag
            .attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                (
                    name,
                    attribute
                        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                        .unwrap()
                        .into_owned(),
                )
            })
            .collect();
        let value =
            |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, v)| &**v);
        match tag.name().as_ref() {
            b"text" => self.texts.push(String::new()),
            b"polyline" if value("stroke-width") == Some("2") => {
                let points = value("points").unwrap().split_whitespace();
                let point = |point: &str| {
                    let (x, y) = point.split_once(',').unwrap();
                    (x.parse().unwrap(), y.parse().unwrap())
                };
                self.curves.push(points.map(point).collect());
            }
            _ => {}
        }
    }

    fn say(&mut self, open: &[Vec<u8>], words: &str) {
        if open.last().is_some_and(|tag| tag == b"text") {
            self.texts.last_mut().unwrap().push_str(words);
        }
    }
}

/// The share of the rectangle between a curve's first and last point that is below it. On
/// paper, y grows downwards.
pub(crate) fn area_below(curve: &[(f64, f64)]) -> f64 {
    let (&(left, bottom), &(right, top)) = (curve.first().unwrap(), curve.last().unwrap());
    assert!(left < right && top < bottom, "{curve:?}");
    let slices = curve
        .iter()
        .zip(curve.iter().skip(1))
        .map(|((x0, y0), (x1, y1))| (x1 - x0) * (bottom - (y0 + y1) / 2.0));
    slices.sum::<f64>() / ((right - left) * (bottom - top))
}
