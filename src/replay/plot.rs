//! Plots of what was measured, as SVG.

use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::curves::Point;
use super::measure::Measured;

const SIZE: (u32, u32) = (640, 480);
const STEP: f64 = 0.5 / 640.0;

/// Writes the precision-recall curve and the ROC curve into a folder; says where.
///
/// # Errors
/// When a file can't be written.
pub fn plots(measured: &Measured, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let recall = Plot {
        name: "precision-recall",
        title: format!("Precision and recall, AP {:.3}", measured.average_precision),
        x: "recall",
        y: "precision",
        points: &measured.precision_recall,
    };
    let roc = Plot {
        name: "roc",
        title: format!("ROC, area {:.4}", measured.roc_auc),
        x: "share of others asked again",
        y: "share of attacks detected",
        points: &measured.roc,
    };
    std::fs::create_dir_all(folder)?;
    [recall, roc].iter().map(|plot| plot.write(folder)).collect()
}

struct Plot<'p> {
    name: &'static str,
    title: String,
    x: &'static str,
    y: &'static str,
    points: &'p [Point],
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
        // No more than can be seen: a step of half a pixel in either direction.
        let mut drawn: Option<Point> = None;
        let last = self.points.len().saturating_sub(1);
        let seen = self.points.iter().enumerate().filter(|(at, point)| {
            let new = drawn.is_none_or(|drawn| {
                (point.x - drawn.x).abs().max((point.y - drawn.y).abs()) >= STEP
            });
            if new || *at == last {
                drawn = Some(**point);
            }
            new || *at == last
        });
        let points: Vec<(f64, f64)> = seen.map(|(_, point)| (point.x, point.y)).collect();
        chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2)))?;
        area.present()?;
        drop(chart);
        drop(area);
        Ok(path)
    }
}
