//! The power goes at any moment of a first start: the next start has the same identity if the first one ever had it, and needs no help.

use ocmesh_testkit::disk::{Disk, Inside, Layer, Left, What};

use super::*;

fn home_in(directory: &Path) -> Home {
    Home::locate(|name| (name == "OCMESH_HOME").then(|| directory.join("home").into_os_string())).unwrap()
}

fn start(directory: &Path) -> Result<OpenedIdentity, OpenIdentityError> {
    let home = home_in(directory).open().unwrap().home;
    let config = Config::load(&home, [("OCMESH_KEYCHAIN".into(), "off".into())], &[]).unwrap();
    open_or_create(&home, &config)
}

#[test]
fn a_power_cut_in_the_first_start_costs_no_identity() {
    if let Some(mut inside) = Inside::of_this_process().unwrap() {
        let opened = start(&inside.watched).unwrap();
        inside.note(&opened.keys.public().to_hex()).unwrap();
        drop(opened);
        start(&inside.watched).unwrap();
        std::process::exit(0);
    }
    let watched = tempfile::tempdir().unwrap();
    let layer = Layer::over(watched.path()).unwrap().recording();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "identity::tests::power::a_power_cut_in_the_first_start_costs_no_identity", "--nocapture"])
        .envs(layer.env())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let record = layer.record().unwrap();
    assert!(record.len() > 100, "{} changes: the layer is not below the daemon", record.len());
    let (mut disk, mut known) = (Disk::empty(), None);
    for (moment, op) in record.iter().enumerate() {
        disk.play(op);
        if let What::Noted(pubkey) = &op.what {
            known = Some(pubkey.trim().to_owned());
        }
        // Every way once the identity is known to the owner; one way each before.
        let ways = if known.is_some() { &Left::ALL[..] } else { &Left::ALL[moment % Left::ALL.len()..][..1] };
        for left in ways {
            let cut = tempfile::tempdir().unwrap();
            disk.cut_into(cut.path(), *left, moment as u64).unwrap();
            let place = format!("power cut at {moment} of {}, {left:?}", record.len());
            let opened = start(cut.path()).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            if let Some(pubkey) = &known {
                assert_eq!(opened.keys.public().to_hex(), *pubkey, "{place}: another identity");
            }
        }
    }
    assert!(known.is_some(), "the identity was never known");
}
