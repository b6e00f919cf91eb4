//! `ocmesh security`: what a user reads before the first start, after it, and with a file that is open to others.

use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::TestDaemon;

use crate::support::{Ended, User};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_protects_what_and_what_is_weak() {
    let user = User::new();
    let fresh = user.run(&["security"]).expect(0).stdout;
    assert!(fresh.contains("nothing yet") && fresh.contains("Nothing here is weaker"), "{fresh}");

    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name("ada");
    let daemon = builder.start().await.unwrap();
    let run = |arguments: &[&str]| Ended::of(user.ocmesh(arguments).env("OCMESH_HOME", daemon.home()));
    let told = run(&["security"]).expect(0).stdout;
    assert!(told.contains("db.key beside it") && told.contains("inbox.policy = \"open\""), "{told}");
    let listed = run(&["security", "--json"]).expect(0).json();
    assert_eq!(listed["weak"], 0, "{listed}");
    let asking = Ended::of(user.ocmesh(&["security"]).env("OCMESH_HOME", daemon.home()).env("OCMESH_INBOX_POW", "16")).expect(0).stdout;
    assert!(!told.contains("inbox.pow") && asking.contains("inbox.pow"), "{asking}");
    assert!(listed["rows"].as_array().unwrap().len() >= 9);

    let key = daemon.home().join("db.key");
    let mode = |mode: u32| std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let listed = run(&["security", "--json"]).expect(0).json();
    assert_eq!(listed["weak"], 1, "{listed}");
    let open = run(&["security"]).expect(0).stdout;
    assert!(open.contains("can be opened by others (mode 0644)") && open.contains("chmod 600"), "{open}");
    mode(0o600);
}
