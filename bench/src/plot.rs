//! The plot of a run: for each figure, how many times better ocmesh is than each reference, on a logarithmic scale.

use std::fmt::Write as _;

use crate::{contestant::Who, figures::Figure, report::number};

/// Between two figures.
const GAP: f64 = 12.0;
const BAR: f64 = 11.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 470.0;
const LEGEND: f64 = 280.0;
const LEGEND_STEP: f64 = 175.0;
const WIDTH: f64 = 460.0;
const REFERENCES: [(Who, &str); 4] =
    [(Who::NodeJs, "#c2571a"), (Who::NodeWasm, "#654ff0"), (Who::RustLmdb, "#2a7a4a"), (Who::RustBare, "#8ab52a")];

/// The plot as SVG.
pub(crate) fn svg(figures: &[Figure]) -> String {
    let rows: Vec<&Figure> = figures.iter().filter(|figure| REFERENCES.iter().any(|(who, _)| figure.ratio(*who).is_some())).collect();
    let most = rows.iter().flat_map(|figure| REFERENCES.iter().filter_map(|(who, _)| figure.ratio(*who))).fold(10.0_f64, f64::max);
    let decades = most.log10().ceil();
    let height = TOP + 20.0 + rows.iter().map(|figure| row(figure)).sum::<f64>();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 {height:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"1000\" height=\"{height:.0}\" fill=\"#fff\"/>\n<text x=\"10\" y=\"22\" font-size=\"16\">How many times better ocmesh is</text>\n"
    );
    let mut legend = LEGEND;
    for (who, colour) in REFERENCES {
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "<rect x=\"{legend:.0}\" y=\"12\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"22\">than {}</text>",
            legend + 18.0,
            who.name()
        );
        legend += LEGEND_STEP;
    }
    let mut decade = 0.0;
    while decade <= decades {
        let x = (decade / decades).mul_add(WIDTH, LEFT);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.0}\" y1=\"{TOP}\" x2=\"{x:.0}\" y2=\"{height:.0}\" stroke=\"#ddd\"/><text x=\"{x:.0}\" y=\"{:.0}\" fill=\"#666\" text-anchor=\"middle\">{}×</text>",
            TOP - 8.0,
            10_f64.powf(decade)
        );
        decade += 1.0;
    }
    let mut y = TOP;
    for figure in rows {
        let _ = writeln!(out, "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, y + 18.0, escaped(&figure.what));
        let mut bar = y;
        for (who, colour) in REFERENCES {
            let Some(ratio) = figure.ratio(who) else { continue };
            // Below one there is no bar, only the number: a row where a reference wins must be seen.
            let width = (ratio.max(1.0).log10() / decades * WIDTH).max(1.0);
            let _ = writeln!(
                out,
                "<rect x=\"{LEFT:.0}\" y=\"{:.0}\" width=\"{width:.0}\" height=\"{:.0}\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{:.0}\" font-size=\"10\">{}</text>",
                bar + 3.0,
                BAR - 1.0,
                LEFT + width + 4.0,
                bar + 12.0,
                number(ratio)
            );
            bar += BAR;
        }
        y += row(figure);
    }
    out.push_str("</svg>\n");
    out
}

/// The height of a figure: a bar for each reference that was measured.
fn row(figure: &Figure) -> f64 {
    REFERENCES.iter().filter(|(who, _)| figure.ratio(*who).is_some()).fold(GAP, |height, _| height + BAR)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;

    #[test]
    fn every_compared_figure_has_a_bar_for_each_reference() {
        let mut figures = Figures::default();
        figures.of("start", "first <answer>", "ms").add(Who::Ocmesh, 10.0).add(Who::NodeJs, 220.0).add(Who::NodeWasm, 5.0);
        figures.of("size", "alone", "MB").add(Who::Ocmesh, 10.0);
        let svg = svg(figures.all());
        assert_eq!(svg.matches("fill=\"#c2571a\"").count(), 2, "{svg}");
        assert!(svg.contains("first &lt;answer>") && svg.contains(">22.0<") && svg.contains(">0.50<") && !svg.contains("alone"));
    }
}
