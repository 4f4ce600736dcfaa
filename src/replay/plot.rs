//! Plots of what was measured, as SVG.

use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::curves::Point;
use super::measure::Measured;

const SIZE: (u32, u32) = (640, 480);
const STEP: f64 = 0.5 / 640.0;

/// Of all attacks, and of each kind.
const COLORS: [RGBColor; 5] =
    [BLUE, RGBColor(200, 80, 0), RGBColor(0, 130, 60), RGBColor(150, 0, 130), RGBColor(90, 90, 90)];

/// Writes the precision-recall curve and the ROC curve into a folder; says where.
///
/// # Errors
/// When a file can't be written.
pub fn plots(measured: &Measured, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let kinds = || measured.kinds.iter();
    let recall = Plot {
        name: "precision-recall",
        title: format!("Precision and recall, AP {:.3}", measured.average_precision),
        x: "recall",
        y: "precision",
        lines: [("all", &*measured.precision_recall)]
            .into_iter()
            .chain(kinds().map(|(name, kind)| (&**name, &*kind.precision_recall)))
            .collect(),
    };
    let roc = Plot {
        name: "roc",
        title: format!("ROC, area {:.4}", measured.roc_auc),
        x: "share of others asked again",
        y: "share of attacks detected",
        lines: [("all", &*measured.roc)]
            .into_iter()
            .chain(kinds().map(|(name, kind)| (&**name, &*kind.roc)))
            .collect(),
    };
    std::fs::create_dir_all(folder)?;
    [recall, roc].iter().map(|plot| plot.write(folder)).collect()
}

struct Plot<'p> {
    name: &'static str,
    title: String,
    x: &'static str,
    y: &'static str,
    /// By name.
    lines: Vec<(&'p str, &'p [Point])>,
}

impl Plot<'_> {
    fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("{}.svg", self.name));
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart.configure_mesh().x_desc(self.x).y_desc(self.y).draw()?;
        for ((name, points), color) in self.lines.iter().zip(COLORS.iter().cycle()) {
            chart
                .draw_series(LineSeries::new(seen(points), color.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
        if self.lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::MiddleRight)
                .background_style(WHITE.mix(0.8))
                .draw()?;
        }
        area.present()?;
        drop(chart);
        drop(area);
        Ok(path)
    }
}

/// No more than can be seen: a step of half a pixel in either direction.
fn seen(points: &[Point]) -> Vec<(f64, f64)> {
    let mut drawn: Option<Point> = None;
    let last = points.len().saturating_sub(1);
    let seen = points.iter().enumerate().filter(|(at, point)| {
        let new = drawn
            .is_none_or(|drawn| (point.x - drawn.x).abs().max((point.y - drawn.y).abs()) >= STEP);
        if new || *at == last {
            drawn = Some(**point);
        }
        new || *at == last
    });
    seen.map(|(_, point)| (point.x, point.y)).collect()
}
