//! `ocmesh service` with the systems' own tools replaced by scripts that write down how they were called.

use std::fs;

use crate::support::{Ended, User};

/// A tool that writes each call down, answers a question about the state, and fails where the test says so.
fn fake(user: &User, name: &str, answer: &str) {
    user.program(name, &format!("echo \"{name} $*\" >>\"$HOME/calls\"\n{answer}"));
}

fn calls(user: &User) -> Vec<String> {
    let calls = fs::read_to_string(user.home().join("calls")).unwrap_or_default();
    let _ = fs::remove_file(user.home().join("calls"));
    calls.lines().map(str::to_owned).collect()
}

#[test]
fn systemd_install_is_idempotent_and_uninstall_keeps_the_data() {
    let user = User::new();
    fake(&user, "systemctl", "case \"$*\" in *is-active*) echo active;; esac");
    let unit = user.home().join(".config/systemd/user/ocmesh.service");
    fs::create_dir(user.data()).unwrap();
    fs::write(user.data().join("ocmesh.db"), "precious").unwrap();

    let mut contents = Vec::new();
    for _ in 0..2 {
        let ended = user.run(&["service", "install", "--platform", "systemd"]).expect(0);
        assert!(ended.stdout.contains("installed") && ended.stdout.contains("ocmesh service uninstall"), "{}", ended.stdout);
        assert!(ended.stderr.contains("loginctl enable-linger"), "{}", ended.stderr);
        contents.push(fs::read_to_string(&unit).unwrap());
        assert_eq!(
            calls(&user),
            [
                "systemctl --user show-environment",
                "systemctl --user daemon-reload",
                "systemctl --user enable ocmesh.service",
                "systemctl --user restart ocmesh.service",
                "systemctl --user is-active ocmesh.service"
            ]
        );
    }
    assert_eq!(contents[0], contents[1]);
    let exe = fs::canonicalize(env!("CARGO_BIN_EXE_ocmesh")).unwrap();
    assert!(contents[0].contains(&format!("ExecStart=\":{}\" \"daemon\"\n", exe.display())), "{}", contents[0]);

    let status = user.run(&["service", "status", "--platform", "systemd", "--json"]).expect(0).json();
    assert_eq!((&status["installed"], &status["running"]), (&true.into(), &true.into()));
    user.run(&["service", "stop", "--platform", "systemd"]).expect(0);
    user.run(&["service", "start", "--platform", "systemd"]).expect(0);
    calls(&user);

    for _ in 0..2 {
        let ended = user.run(&["service", "uninstall", "--platform", "systemd"]).expect(0);
        assert!(ended.stdout.contains(user.data().to_str().unwrap()), "{}", ended.stdout);
        assert_eq!(calls(&user)[0], "systemctl --user disable --now ocmesh.service");
        assert!(!unit.exists());
    }
    assert_eq!(fs::read_to_string(user.data().join("ocmesh.db")).unwrap(), "precious");
    let ended = user.run(&["service", "start", "--platform", "systemd"]).expect(1);
    assert!(ended.stderr.contains("ocmesh service install"), "{}", ended.stderr);
}

#[test]
fn without_a_user_session_nothing_is_written() {
    let user = User::new();
    fake(&user, "systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let ended = user.run(&["service", "install", "--platform", "systemd"]).expect(1);
    assert!(ended.stderr.contains("Failed to connect to bus") && ended.stderr.contains("ocmesh daemon"), "{}", ended.stderr);
    assert!(!user.home().join(".config").exists());
}

#[test]
fn without_systemd_it_says_what_to_do() {
    let user = User::new();
    let ended = Ended::of(user.ocmesh(&["service", "install", "--platform", "systemd"]).env("PATH", user.home().join("empty"))).expect(1);
    assert!(ended.stderr.contains("does not run systemd"), "{}", ended.stderr);
}

#[test]
fn launchd_loads_again_while_the_old_job_still_goes() {
    let user = User::new();
    // The first two tries meet the old job on its way out, as on a real Mac.
    let busy = "case \"$1\" in
        bootstrap) n=$(cat \"$HOME/n\" 2>/dev/null || echo 0); echo $((n+1)) >\"$HOME/n\"
            if [ \"$n\" -lt 2 ]; then echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5; fi;;
        print) echo '	state = running';;
        bootout) exit 3;;
    esac";
    fake(&user, "launchctl", busy);
    user.run(&["service", "install", "--platform", "launchd"]).expect(0);
    let plist = user.home().join("Library/LaunchAgents/com.ocmesh.daemon.plist");
    assert!(fs::read_to_string(&plist).unwrap().contains("<key>KeepAlive</key>"));
    let calls = calls(&user);
    assert!(calls[0].starts_with("launchctl bootout gui/") && calls[0].ends_with("/com.ocmesh.daemon"), "{calls:?}");
    let loads =
        calls.iter().filter(|call| call.starts_with("launchctl bootstrap gui/") && call.ends_with("com.ocmesh.daemon.plist")).count();
    assert_eq!(loads, 3, "{calls:?}");
    user.run(&["service", "status", "--platform", "launchd"]).expect(0);
    user.run(&["service", "uninstall", "--platform", "launchd"]).expect(0);
    assert!(!plist.exists());
    assert!(user.run(&["service", "status", "--platform", "launchd"]).stdout.contains("running"));
}

#[test]
fn windows_makes_and_removes_a_task() {
    let user = User::new();
    fake(&user, "schtasks", "");
    user.run(&["service", "install", "--platform", "windows"]).expect(0);
    let task = user.data().join("service-task.xml");
    assert_eq!(fs::read(&task).unwrap()[..2], [0xff, 0xfe]);
    let made = calls(&user);
    assert!(made.iter().any(|call| call.starts_with("schtasks /Create /TN ocmesh /XML ")), "{made:?}");
    assert!(made.iter().any(|call| call == "schtasks /Run /TN ocmesh"), "{made:?}");
    user.run(&["service", "uninstall", "--platform", "windows"]).expect(0);
    assert!(!task.exists());
}

#[test]
fn a_dry_run_shows_everything_and_does_nothing() {
    let user = User::new();
    for (platform, file, run) in [
        ("launchd", "Library/LaunchAgents/com.ocmesh.daemon.plist", "run launchctl bootstrap"),
        ("systemd", ".config/systemd/user/ocmesh.service", "run systemctl --user restart ocmesh.service"),
        ("windows", ".ocmesh/service-task.xml", "run schtasks /Create"),
    ] {
        let shown = user.run(&["service", "install", "--dry-run", "--platform", platform]).expect(0).stdout;
        assert!(shown.contains(&format!("write {}/{file}", user.home().display())) && shown.contains(run), "{shown}");
        let steps = user.run(&["service", "install", "--dry-run", "--platform", platform, "--json"]).expect(0).json();
        assert!(
            steps.as_array().unwrap().iter().any(|step| step["content"].as_str().is_some_and(|text| text.contains("daemon"))),
            "{steps}"
        );
        user.run(&["service", "uninstall", "--dry-run", "--platform", platform]).expect(0);
    }
    assert_eq!(fs::read_dir(user.home()).unwrap().count(), 0, "a dry run leaves nothing");
}

#[test]
fn a_moved_home_goes_into_the_service() {
    let user = User::new();
    let shown = Ended::of(
        user.ocmesh(&["service", "install", "--dry-run", "--platform", "systemd"]).env("OCMESH_HOME", user.home().join("my data")),
    );
    let wanted = format!("\"--home\" \"{}\" \"daemon\"", user.home().join("my data").display());
    assert!(shown.stdout.contains(&wanted), "{}", shown.stdout);
}

#[test]
fn a_service_that_is_not_there_is_told_by_the_exit_code() {
    let user = User::new();
    fake(&user, "systemctl", "echo inactive; exit 3");
    let status = user.run(&["service", "status", "--platform", "systemd", "--json"]).expect(3).json();
    assert_eq!((&status["installed"], &status["running"]), (&false.into(), &false.into()));
}
