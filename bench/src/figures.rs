//! What was measured: samples of a quantity for each contestant, and what is said of them.

use crate::contestant::Who;

/// One quantity of a workload, for every contestant that was measured.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Which workload it belongs to.
    pub(crate) workload: &'static str,
    /// What was measured.
    pub(crate) what: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Less is better.
    pub(crate) less_is_better: bool,
    /// The goal of ours for the middle, where there is one.
    pub(crate) goal: Option<f64>,
    /// And for the slowest in a hundred.
    pub(crate) goal_p99: Option<f64>,
    /// By contestant.
    pub(crate) samples: Vec<(Who, Samples)>,
}

/// Everything measured of one quantity for one contestant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    values: Vec<f64>,
    /// What the reader must know, such as a smaller size.
    pub(crate) remark: Option<String>,
}

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    /// The value below which this share of the samples lies; the middle one at 0.5.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        // Shares lie between 0 and 1, so the rank is in range.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = (last as f64 * share).ceil() as usize;
        sorted.get(rank.min(last)).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// Collects figures in the order of their first sample.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    all: Vec<Figure>,
}

impl Figures {
    /// The figure called so, made when it is new.
    pub(crate) fn of(&mut self, workload: &'static str, what: &str, unit: &'static str) -> &mut Figure {
        let known = self.all.iter().position(|figure| figure.workload == workload && figure.what == what);
        let at = known.unwrap_or_else(|| {
            self.all.push(Figure {
                workload,
                what: what.to_owned(),
                unit,
                less_is_better: true,
                goal: None,
                goal_p99: None,
                samples: Vec::new(),
            });
            self.all.len().saturating_sub(1)
        });
        #[allow(clippy::indexing_slicing, reason = "it was found or pushed just now")]
        &mut self.all[at]
    }

    pub(crate) fn all(&self) -> &[Figure] {
        &self.all
    }
}

impl Figure {
    /// More is better, as with a rate.
    pub(crate) const fn more_is_better(&mut self) -> &mut Self {
        self.less_is_better = false;
        self
    }

    /// What ours should reach.
    pub(crate) const fn goal(&mut self, goal: f64) -> &mut Self {
        self.goal = Some(goal);
        self
    }

    /// What the slowest in a hundred of ours should reach.
    pub(crate) const fn goal_p99(&mut self, goal: f64) -> &mut Self {
        self.goal_p99 = Some(goal);
        self
    }

    /// One more sample.
    pub(crate) fn add(&mut self, who: Who, value: f64) -> &mut Self {
        self.samples_of(who).push(value);
        self
    }

    /// What the reader must know of a contestant's samples.
    pub(crate) fn remark(&mut self, who: Who, remark: impl Into<String>) -> &mut Self {
        self.samples_of(who).remark = Some(remark.into());
        self
    }

    fn samples_of(&mut self, who: Who) -> &mut Samples {
        let at = self.samples.iter().position(|(known, _)| *known == who).unwrap_or_else(|| {
            self.samples.push((who, Samples::default()));
            self.samples.len().saturating_sub(1)
        });
        #[allow(clippy::indexing_slicing, reason = "it was found or pushed just now")]
        &mut self.samples[at].1
    }

    pub(crate) fn get(&self, who: Who) -> Option<&Samples> {
        self.samples.iter().find(|(known, samples)| *known == who && samples.len() > 0).map(|(_, samples)| samples)
    }

    /// What only one in a hundred is worse than.
    pub(crate) fn worst(&self, samples: &Samples) -> f64 {
        samples.quantile(if self.less_is_better { 0.99 } else { 0.01 })
    }

    /// How many times better ours is than another by the medians; below 1 it is worse.
    pub(crate) fn ratio(&self, other: Who) -> Option<f64> {
        let (ours, theirs) = (self.get(Who::Ocmesh)?.median(), self.get(other)?.median());
        Some(if self.less_is_better { theirs / ours } else { ours / theirs })
    }

    /// The goals of ours: which, whether for the slowest in a hundred, and whether it was reached.
    pub(crate) fn goals(&self) -> Vec<(f64, bool, bool)> {
        let Some(ours) = self.get(Who::Ocmesh) else { return Vec::new() };
        let reached = |goal: f64, ours: f64| if self.less_is_better { ours <= goal } else { ours >= goal };
        let middle = self.goal.map(|goal| (goal, false, reached(goal, ours.median())));
        let slowest = self.goal_p99.map(|goal| (goal, true, reached(goal, self.worst(ours))));
        middle.into_iter().chain(slowest).collect()
    }
}

/// How quantities of ours grow with a size.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    all: Vec<(&'static str, Vec<(f64, f64)>)>,
}

impl Growth {
    /// One more point of a quantity: at this size it was that much.
    pub(crate) fn add(&mut self, what: &'static str, size: f64, value: f64) {
        match self.all.iter_mut().find(|(known, _)| *known == what) {
            Some((_, points)) => points.push((size, value)),
            None => self.all.push((what, vec![(size, value)])),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &[(f64, f64)])> {
        self.all.iter().map(|(what, points)| (*what, points.as_slice()))
    }
}

/// The exponent `e` of `y = c * x^e` that fits best (least squares of the logarithms); 1 is linear, 0 does not grow.
pub(crate) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    // A line goes through any two points.
    if logs.len() < 3 {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "a handful of points")]
    let n = logs.len() as f64;
    let (sum_x, sum_y) = logs.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let top: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let bottom: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (bottom > 0.0).then(|| top / bottom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples { values: values.to_vec(), remark: None }
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let all = samples(&hundred);
        assert_eq!((all.quantile(0.0), all.quantile(0.99), all.quantile(1.0)), (1.0, 100.0, 100.0));
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn the_ratio_says_how_many_times_better_ours_is() {
        let mut figures = Figures::default();
        figures.of("start", "first answer", "ms").goal(15.0).add(Who::Ocmesh, 10.0).add(Who::NodeJs, 220.0);
        figures.of("sends", "rate", "/s").more_is_better().goal(2_000.0).add(Who::Ocmesh, 1_000.0).add(Who::NodeJs, 50.0);
        let [start, sends] = figures.all() else { panic!("two figures") };
        assert_eq!((start.ratio(Who::NodeJs), start.goals()), (Some(22.0), vec![(15.0, false, true)]));
        assert_eq!((sends.ratio(Who::NodeJs), sends.goals()), (Some(20.0), vec![(2_000.0, false, false)]));
        assert_eq!(start.ratio(Who::NodeWasm), None);
        let latency = figures.of("latency", "one", "ms").goal(3.0).goal_p99(10.0).add(Who::Ocmesh, 5.0);
        assert_eq!(latency.goals(), [(3.0, false, false), (10.0, true, true)]);
    }

    #[test]
    fn the_exponent_of_a_line_is_one_and_of_a_constant_none() {
        let linear = exponent(&[(10.0, 5.0), (100.0, 50.0), (1_000.0, 500.0)]).unwrap();
        assert!((linear - 1.0).abs() < 1e-9, "{linear}");
        let flat = exponent(&[(10.0, 5.0), (1_000.0, 5.0), (1_000_000.0, 5.0)]).unwrap();
        assert!(flat.abs() < 1e-9, "{flat}");
        assert_eq!(exponent(&[(10.0, 5.0), (100.0, 50.0)]), None, "any two points lie on a line");
    }
}
