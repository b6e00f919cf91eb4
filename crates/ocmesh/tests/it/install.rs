//! `scripts/install.sh` in a home directory of its own, twice; and that it leaves alone what it must.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Ended, User};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn install(user: &User, arguments: &[&str]) -> Ended {
    Ended::of(user.command("/bin/sh").arg(root().join("scripts/install.sh")).args(arguments))
}

/// A stand-in for the binary that writes its calls down, with its checksum.
fn binary(user: &User) -> (String, String) {
    user.program("downloaded", "echo \"ocmesh $*\" >>\"$HOME/calls\"");
    let path = user.bin().join("downloaded").display().to_string();
    let sum = Ended::of(user.command("sha256sum").arg(&path)).stdout;
    (path, sum.split(' ').next().unwrap().to_owned())
}

fn calls(user: &User) -> String {
    fs::read_to_string(user.home().join("calls")).unwrap_or_default()
}

#[test]
fn installing_and_removing_twice_is_the_same_as_once() {
    let user = User::new();
    let (file, sum) = binary(&user);
    let target = user.home().join(".local/bin/ocmesh");
    for _ in 0..2 {
        let ended = install(&user, &["--binary", &file, "--sha256", &sum.to_uppercase(), "--skill"]).expect(0);
        assert!(ended.stdout.contains("export PATH="), "{}", ended.stdout);
        assert_eq!(fs::read(&target).unwrap(), fs::read(&file).unwrap());
        assert!(user.home().join(".openclaw/skills/ocmesh/references/api.md").is_file());
    }
    assert_eq!(calls(&user), "ocmesh service install\nocmesh service install\n");

    fs::create_dir(user.data()).unwrap();
    fs::write(user.data().join("ocmesh.db"), "precious").unwrap();
    let ended = install(&user, &["--uninstall"]).expect(0);
    assert!(ended.stdout.contains(user.data().to_str().unwrap()), "{}", ended.stdout);
    assert!(!target.exists() && !user.home().join(".openclaw/skills/ocmesh").exists());
    assert!(calls(&user).ends_with("ocmesh service uninstall\n"));
    install(&user, &["--uninstall"]).expect(0);
    assert_eq!(fs::read_to_string(user.data().join("ocmesh.db")).unwrap(), "precious");
}

#[test]
fn a_wrong_checksum_installs_nothing() {
    let user = User::new();
    let (file, sum) = binary(&user);
    let wrong = sum.chars().rev().collect::<String>();
    let ended = install(&user, &["--binary", &file, "--sha256", &wrong]).expect(1);
    assert!(ended.stderr.contains(&sum), "{}", ended.stderr);
    install(&user, &["--binary", &file]).expect(2);
    install(&user, &["--nonsense"]).expect(2);
    install(&user, &["--binary"]).expect(2);
    assert!(!user.home().join(".local").exists());
    assert_eq!(calls(&user), "");
}

#[test]
fn options_are_kept_to() {
    let user = User::new();
    let (file, sum) = binary(&user);
    let ended = install(&user, &["--binary", &file, "--sha256", &sum, "--prefix", "my place", "--no-service"]).expect(0);
    assert!(user.home().join("my place/bin/ocmesh").is_file(), "{ended:?}");
    assert!(!user.home().join(".openclaw").exists());
    assert_eq!(calls(&user), "");
}

#[test]
fn a_dry_run_changes_nothing() {
    let user = User::new();
    let (file, sum) = binary(&user);
    let before = fs::read_dir(user.home()).unwrap().count();
    let shown = install(&user, &["--dry-run", "--skill", "--binary", &file, "--sha256", &sum]).expect(0).stdout;
    for wanted in ["would run: mv -f", "would run: cp", "service install", "SKILL.md"] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert_eq!(fs::read_dir(user.home()).unwrap().count(), before);
    assert_eq!(calls(&user), "");
}

#[test]
fn data_goes_only_when_its_path_is_written_back() {
    let user = User::new();
    let purge = |answer: &str| {
        let mut child = user.command("/bin/sh");
        child.arg(root().join("scripts/install.sh")).args(["--uninstall", "--purge"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{answer}\n").as_bytes()).unwrap();
        child.wait().unwrap().code().unwrap()
    };
    fs::create_dir(user.data()).unwrap();
    fs::write(user.data().join("letter.txt"), "not ours").unwrap();
    assert_eq!(purge(user.data().to_str().unwrap()), 1, "not an ocmesh home");
    fs::write(user.data().join("ocmesh.db"), "x").unwrap();
    assert_eq!(purge("yes"), 1);
    assert!(user.data().join("ocmesh.db").exists());
    assert_eq!(purge(user.data().to_str().unwrap()), 0);
    assert!(!user.data().exists());
}

#[test]
fn the_scripts_are_clean_and_fetch_nothing() {
    for script in ["scripts/install.sh", "skill/ocmesh/scripts/install.sh"] {
        let path = root().join(script);
        let text = fs::read_to_string(&path).unwrap();
        for word in ["curl", "wget", "eval", "| sh", "|sh", "base64"] {
            assert!(!text.contains(word), "{script} has {word}");
        }
        match Command::new("shellcheck").arg(&path).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("CI").is_none() => {}
            answer => {
                let answer = answer.unwrap();
                assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stdout));
            }
        }
    }
}

#[test]
fn the_skills_script_only_starts_what_is_there() {
    let user = User::new();
    let script = root().join("skill/ocmesh/scripts/install.sh");
    let run = |arguments: &[&str]| Ended::of(user.command("/bin/sh").arg(&script).args(arguments));
    assert!(run(&[]).expect(1).stdout.contains("uv tool install ocmesh"));
    user.program("ocmesh", "echo \"ocmesh $*\" | tee -a \"$HOME/calls\"");
    assert!(run(&[]).expect(0).stdout.contains("service install"));
    assert!(!calls(&user).contains("service"), "looking does not install");
    run(&["--service"]).expect(0);
    assert!(calls(&user).ends_with("ocmesh service install\n"));
    run(&["--nonsense"]).expect(2);
}
