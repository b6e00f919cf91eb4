//! Does a figure grow? A line through samples by least squares, with its 95 % interval.

/// A line through samples: how much the figure grows in an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Growth an hour.
    pub per_hour: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end of the 95 % interval.
    pub high: f64,
    /// Samples it rests on.
    pub samples: usize,
}

impl std::fmt::Display for Trend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { per_hour, low, high, samples } = self;
        write!(f, "{per_hour:+.2} an hour (95 %: {low:+.2} to {high:+.2}, {samples} samples)")
    }
}

/// Fewer samples than this are no trend.
const SAMPLES_MIN: usize = 5;
/// Samples that resemble each other this much would make the interval endless.
const RESEMBLANCE_MAX: f64 = 0.9;

/// The line through samples of (hours, figure). `None` when there are too few, or all of one moment.
///
/// Neighbouring samples of one process resemble each other, which plain least squares does not know: the interval is widened by the
/// residuals' correlation with their neighbours (first-order autoregression).
#[must_use]
pub fn trend(samples: &[(f64, f64)]) -> Option<Trend> {
    let count = f64::from(u32::try_from(samples.len()).ok()?);
    if samples.len() < SAMPLES_MIN {
        return None;
    }
    let mean_x = samples.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = samples.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = samples.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let per_hour = samples.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    let residuals: Vec<f64> = samples.iter().map(|(x, y)| y - mean_y - per_hour * (x - mean_x)).collect();
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let neighbours: f64 = residuals.iter().zip(residuals.iter().skip(1)).map(|(one, next)| one * next).sum();
    let resemblance = if squares > 0.0 { (neighbours / squares).clamp(0.0, RESEMBLANCE_MAX) } else { 0.0 };
    let freedom = count - 2.0;
    let error = (squares / freedom / spread).sqrt() * ((1.0 + resemblance) / (1.0 - resemblance)).sqrt();
    let reach = student(freedom) * error;
    Some(Trend { per_hour, low: per_hour - reach, high: per_hour + reach, samples: samples.len() })
}

/// The 97.5 % point of Student's t: the expansion about the normal's 1.96, good to 1 % from 3 degrees of freedom on.
fn student(freedom: f64) -> f64 {
    let z: f64 = 1.96;
    let first = (z.powi(3) + z) / (4.0 * freedom);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom.powi(2));
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * freedom.powi(3));
    z + first + second + third
}

/// The value in the middle; 0 for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// Samples of half an hour, one a minute.
    fn samples(figure: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..30).map(|minute| f64::from(minute) / 60.0).map(|x| (x, figure(x))).collect()
    }

    #[test]
    fn students_points_are_those_of_the_tables() {
        for (freedom, point) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (28.0, 2.048)] {
            assert!((student(freedom) / point - 1.0).abs() < 0.01, "{freedom}: {} is not {point}", student(freedom));
        }
    }

    #[test]
    fn a_leak_is_seen_through_noise_and_noise_is_no_leak() {
        let mut dice = Dice::new(11);
        let mut noise = || f64::from(u32::try_from(dice.below(1_000)).unwrap()) / 1_000.0 - 0.5;
        let noises: Vec<f64> = (0..30).map(|_| noise()).collect();
        let with = |per_hour: f64| {
            let mut line = samples(|x| 40.0 + per_hour * x);
            line.iter_mut().zip(&noises).for_each(|((_, y), noise)| *y += noise);
            trend(&line).unwrap()
        };
        let (flat, leak) = (with(0.0), with(6.0));
        assert!(flat.low < 0.0 && flat.high > 0.0, "{flat}");
        assert!(leak.low > 4.0 && leak.high < 8.0, "{leak}");
    }

    #[test]
    fn samples_that_resemble_each_other_say_less() {
        let slow_wave = trend(&samples(|x| (x * 20.0).sin())).unwrap();
        let quick_wave = trend(&samples(|x| (x * 60.0 * 2.6).sin())).unwrap();
        assert!(slow_wave.high - slow_wave.low > 2.0 * (quick_wave.high - quick_wave.low), "{slow_wave} / {quick_wave}");
    }

    #[test]
    fn a_straight_line_is_exact_and_too_little_is_nothing() {
        let line = trend(&samples(|x| 3.0 + 2.0 * x)).unwrap();
        assert!((line.per_hour - 2.0).abs() < 1e-9 && line.high - line.low < 1e-6, "{line}");
        assert_eq!(trend(&[(0.0, 1.0); 4]), None);
        assert_eq!(trend(&[(0.0, 1.0); 9]), None);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
