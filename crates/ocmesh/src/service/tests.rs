//! The service files hold any path, and the systems' own tools read them as meant.

use super::*;

const ODD: &str = "/opt/a b/it's \"q\" <x> & 100% $HOME \\n ü/ocmesh";

fn context(exe: &str) -> Context {
    Context {
        exe: exe.to_owned(),
        home_arg: Some("/data/odd %h & \"home\"".to_owned()),
        user_home: PathBuf::from("/home/ada"),
        config_home: None,
        data: PathBuf::from("/home/ada/.ocmesh"),
        user: "501".to_owned(),
    }
}

fn written(platform: Platform, context: &Context) -> Vec<u8> {
    let steps = plan(platform, ServiceAction::Install, context);
    steps.into_iter().find_map(|step| if let Step::Write { content, .. } = step { Some(content) } else { None }).unwrap()
}

fn words(platform: Platform, action: ServiceAction) -> Vec<String> {
    let steps = plan(platform, action, &context("/opt/ocmesh"));
    steps.iter().filter_map(|step| if let Step::Run { argv, .. } = step { Some(argv.join(" ")) } else { None }).collect()
}

/// Runs a checking tool where it is installed; CI installs them all.
fn tool(argv: &[&str]) -> Option<std::process::Output> {
    // Without a login session systemd-analyze wants to be told where the session's files would be.
    match Command::new(argv[0]).args(&argv[1..]).env("XDG_RUNTIME_DIR", std::env::temp_dir()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && std::env::var_os("CI").is_none() => None,
        result => Some(result.unwrap_or_else(|error| panic!("{argv:?}: {error}"))),
    }
}

#[test]
fn the_plist_says_what_the_specification_asks() {
    let plist = String::from_utf8(written(Platform::Launchd, &context("/opt/ocmesh"))).unwrap();
    for wanted in [
        "<key>Label</key>\n  <string>com.ocmesh.daemon</string>",
        "<key>RunAtLoad</key>\n  <true/>",
        "<key>KeepAlive</key>\n  <true/>",
        "<key>ThrottleInterval</key>\n  <integer>5</integer>",
        "<key>ProcessType</key>\n  <string>Background</string>",
    ] {
        assert!(plist.contains(wanted), "{wanted} is missing in {plist}");
    }
    assert_eq!(file(Platform::Launchd, &context("/x")), Path::new("/home/ada/Library/LaunchAgents/com.ocmesh.daemon.plist"));
}

#[test]
fn the_plist_holds_any_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.plist");
    fs::write(&path, written(Platform::Launchd, &context(ODD))).unwrap();
    let path = path.to_str().unwrap();
    // Apple's own rules by libplist, then the content by a parser that is not ours.
    if let Some(answer) = tool(&["plistutil", "-i", path, "-f", "bin", "-o", "/dev/null"]) {
        assert!(answer.status.success(), "{answer:?}");
    }
    let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let Some(answer) = tool(&["python3", "-c", script, path]) else { return };
    assert!(answer.status.success(), "{answer:?}");
    let value: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(value["ProgramArguments"], serde_json::json!([ODD, "--home", "/data/odd %h & \"home\"", "daemon"]));
    assert_eq!((&value["RunAtLoad"], &value["KeepAlive"]), (&true.into(), &true.into()));
}

#[test]
fn systemd_reads_the_unit_without_a_word_of_complaint() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["plain", "a b 100% $HOME ü;#", "quotes \" ' and \\"] {
        let odd = directory.path().join(name);
        fs::create_dir(&odd).unwrap();
        let exe = odd.join("ocmesh");
        fs::write(&exe, "#!/bin/sh\n").unwrap();
        #[cfg(unix)]
        fs::set_permissions(&exe, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let unit = odd.join("ocmesh.service");
        fs::write(&unit, written(Platform::Systemd, &context(exe.to_str().unwrap()))).unwrap();
        // It also looks whether the program is there and executable: it found it under this name.
        let Some(answer) = tool(&["systemd-analyze", "--user", "verify", unit.to_str().unwrap()]) else { return };
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        let about_us: Vec<&str> = said.lines().filter(|line| line.contains("ocmesh")).collect();
        assert!(about_us.is_empty(), "{about_us:?}");
        assert!(answer.status.success(), "{said}");
    }
}

#[test]
fn the_unit_says_what_the_specification_asks() {
    let unit = String::from_utf8(written(Platform::Systemd, &context("/opt/a b/100% $HOME/ocmesh"))).unwrap();
    let memory = "\nEnvironment=MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=262144\n";
    for wanted in ["\nRestart=always\n", "\nRestartSec=5\n", "\nNoNewPrivileges=yes\n", "\nWantedBy=default.target\n", memory] {
        assert!(unit.contains(wanted), "{wanted}");
    }
    let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert_eq!(line, r#"ExecStart=":/opt/a b/100%% $HOME/ocmesh" "--home" "/data/odd %%h & \"home\"" "daemon""#);
    assert_eq!(file(Platform::Systemd, &context("/x")), Path::new("/home/ada/.config/systemd/user/ocmesh.service"));
}

#[test]
fn the_task_is_utf16_and_well_formed() {
    let bytes = written(Platform::Windows, &context(r#"C:\Users\A & B\ocmesh.exe"#));
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).unwrap();
    assert!(text.starts_with("\u{feff}<?xml"));
    assert!(text.contains(r"<Command>C:\Users\A &amp; B\ocmesh.exe</Command>"), "{text}");
    assert!(text.contains(r#"<Arguments>--home &quot;/data/odd %h &amp; \&quot;home\&quot;&quot; daemon</Arguments>"#), "{text}");
    assert!(text.contains("<RestartOnFailure>") && text.contains("<LogonTrigger>"));
}

#[test]
fn each_action_calls_the_systems_own_tool() {
    use Platform::{Launchd, Systemd, Windows};
    use ServiceAction::{Install, Start, Stop, Uninstall};
    assert_eq!(
        words(Launchd, Install),
        [
            "launchctl bootout gui/501/com.ocmesh.daemon",
            "launchctl enable gui/501/com.ocmesh.daemon",
            "launchctl bootstrap gui/501 /home/ada/Library/LaunchAgents/com.ocmesh.daemon.plist"
        ]
    );
    assert_eq!(words(Launchd, Uninstall), ["launchctl bootout gui/501/com.ocmesh.daemon"]);
    assert_eq!(words(Launchd, Stop), ["launchctl bootout gui/501/com.ocmesh.daemon"]);
    assert_eq!(words(Systemd, Start), ["systemctl --user start ocmesh.service"]);
    assert_eq!(words(Systemd, Uninstall)[0], "systemctl --user disable --now ocmesh.service");
    assert_eq!(words(Windows, Install)[1], "schtasks /Create /TN ocmesh /XML /home/ada/.ocmesh/service-task.xml /F");
}

#[test]
fn answers_of_the_tools_are_understood() {
    assert!(launchd::is_running("gui/501/com.ocmesh.daemon = {\n\tactive count = 1\n\tstate = running\n}"));
    assert!(!launchd::is_running("\tstate = not running\n"));
    assert!(systemd::is_running("active\n") && !systemd::is_running("activating\n"));
    assert!(windows::is_running("\"\\ocmesh\",\"N/A\",\"Running\"") && !windows::is_running("\"\\ocmesh\",\"N/A\",\"Ready\""));
}
