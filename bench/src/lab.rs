//! The laboratory: contestants, sizes, what was measured, and the machine it was measured on.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{
    contestant::{Places, Who},
    figures::{Figures, Growth, Samples},
    page, plot,
    primitives::Primitives,
    report, say,
    sizes::Sizes,
    workload,
};

/// Syncs measured before the first workload and after each one.
const SYNCS: u32 = 40;

/// Everything a workload works with.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) places: Places,
    /// Who was entered.
    entered: Vec<Who>,
    /// Who takes part in this workload.
    pub(crate) who: Vec<Who>,
    pub(crate) sizes: Sizes,
    pub(crate) rounds: u32,
    pub(crate) figures: Figures,
    pub(crate) growth: Growth,
    /// Milliseconds of one append and fdatasync, on the disk of the homes, all through the run.
    pub(crate) syncs: Samples,
    pub(crate) primitives: Primitives,
    pub(crate) loads: Vec<f64>,
    pub(crate) took_s: f64,
    /// Workloads that gave up, and why.
    pub(crate) failed: Vec<String>,
}

impl Lab {
    pub(crate) fn new(places: Places, entered: Vec<Who>, sizes: Sizes, rounds: u32) -> Self {
        Self {
            places,
            entered,
            who: Vec::new(),
            sizes,
            rounds,
            figures: Figures::default(),
            growth: Growth::default(),
            syncs: Samples::default(),
            primitives: Primitives::default(),
            loads: Vec::new(),
            took_s: 0.0,
            failed: Vec::new(),
        }
    }

    /// Runs the workloads, all of them when none is named.
    pub(crate) async fn run(&mut self, only: &[String]) -> Result<()> {
        let began = Instant::now();
        fs::create_dir_all(self.places.work.join("homes"))?;
        self.look_at_machine()?;
        for workload in workload::ALL.iter().filter(|workload| only.is_empty() || only.iter().any(|name| name == workload.name)) {
            let this = Instant::now();
            say::note(format!("==> {}: {}", workload.name, workload.what));
            self.who = self.entered.iter().copied().filter(|who| workload.who.contains(who)).collect();
            // What one workload could not measure does not cost the others.
            if let Err(error) = (workload.run)(self).await {
                say::note(format!("    FAILED: {error:#}"));
                self.failed.push(format!("{}: {error:#}", workload.name));
            }
            self.look_at_machine()?;
            say::note(format!("<== {}: {:.0} s", workload.name, this.elapsed().as_secs_f64()));
        }
        self.took_s = began.elapsed().as_secs_f64();
        Ok(())
    }

    /// The machine's own speed and load, as they are now.
    fn look_at_machine(&mut self) -> Result<()> {
        let path = self.places.work.join("sync-probe");
        let mut file = File::create(&path)?;
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&[0; 4_096])?;
            file.sync_data()?;
            self.syncs.push(began.elapsed().as_secs_f64() * 1e3);
        }
        fs::remove_file(path)?;
        self.primitives.measure(&self.places.binary)?;
        let load = fs::read_to_string("/proc/loadavg")?;
        self.loads.extend(load.split(' ').next().and_then(|first| first.parse::<f64>().ok()));
        Ok(())
    }

    /// How ours grows: one more point.
    pub(crate) fn grows(&mut self, what: &'static str, size: f64, value: f64) {
        self.growth.add(what, size, value);
    }

    /// Says what was measured; a whole run writes the page and its plot too.
    pub(crate) fn report(&self, whole: bool, page: &Path) -> Result<()> {
        let text = report::text(self)?;
        say::result(&text);
        if whole {
            page::write(page, &text)?;
            fs::write(page.with_extension("svg"), plot::svg(self.figures.all()))?;
        }
        ensure!(self.failed.is_empty(), "not measured: {}", self.failed.join("; "));
        Ok(())
    }
}
