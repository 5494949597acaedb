//! The container's entry point, run without a container: what it makes of arguments and environment.
//!
//! The script finds stand-ins on its path. Those for servers and other programs print what they were given; `id` says
//! who is asking, and `find` and `setpriv` say what they were told to do.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docker-entrypoint.sh");

/// Prints its name and arguments, one a line, the mask, the password variables left, and its input if it should read it.
const PROGRAM: &str = r#"#!/bin/sh
printf '%s\n' "ran ${0##*/}" "$@" "umask $(umask)" "left ${REDIS_PASSWORD-}${DFLY_PASSWORD-}${DFLY_requirepass-}"
for last do :; done
case "${1-} ${last-}" in '- '*|*' -') cat ;; esac
"#;

/// Says who asks.
const ID: &str = "#!/bin/sh\necho \"${FAKE_UID:-1000}\"\n";

/// Tells of itself and runs what comes after the dashes.
const SETPRIV: &str =
    "#!/bin/sh\nwhile [ \"$1\" != -- ]; do echo \"setpriv $1\"; shift; done\nshift\nexec \"$@\"\n";

const FIND: &str = "#!/bin/sh\necho \"find $*\"\n";

/// A directory with the stand-ins, removed when dropped.
struct Container(PathBuf);

impl Container {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "bitmapd-entrypoint-{}-{number}",
            std::process::id()
        ));
        fs::create_dir_all(&path).expect("a directory for the stand-ins");
        for (name, text) in [
            ("redis-server", PROGRAM),
            ("bitmapd", PROGRAM),
            ("redis-cli", PROGRAM),
            ("id", ID),
            ("setpriv", SETPRIV),
            ("find", FIND),
        ] {
            let file = path.join(name);
            fs::write(&file, text).expect("a stand-in is written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it can be run");
        }
        Container(path)
    }

    /// The lines printed by the entry point with these arguments, environment and input.
    fn run_with(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> Vec<String> {
        let path = format!("{}:/usr/bin:/bin", self.0.display());
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "umask ${FAKE_UMASK:-0022}; exec sh \"$@\"",
                "sh",
                SCRIPT,
            ])
            .args(args);
        command
            .env_clear()
            .env("PATH", path)
            .envs(env.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().expect("there is a shell");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes())
            .expect("the input is small");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{args:?} {env:?}");
        String::from_utf8(output.stdout)
            .expect("text")
            .lines()
            .map(String::from)
            .collect()
    }

    fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        self.run_with(args, env, "")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the stand-ins are removed");
    }
}

/// What a stand-in prints that was run with these words, with the mask for a server and no password left.
fn ran(words: &[&str]) -> Vec<String> {
    let server = words[0] != "redis-cli";
    let mut lines: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    lines[0] = format!("ran {}", words[0]);
    lines.push(format!("umask {}", if server { "0077" } else { "0022" }));
    lines.push("left ".into());
    lines
}

#[test]
fn options_and_files_are_for_the_server_and_other_words_are_programs() {
    let container = Container::new();
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["redis-server"]),
        (&["redis-server"], &["redis-server"]),
        (&["bitmapd", "--port", "1"], &["bitmapd", "--port", "1"]),
        (
            &["--appendonly", "yes"],
            &["redis-server", "--appendonly", "yes"],
        ),
        (
            &["redis-server", "--save", ""],
            &["redis-server", "--save", ""],
        ),
        (
            &["/x/redis.conf", "--port", "1"],
            &["redis-server", "/x/redis.conf", "--port", "1"],
        ),
        (&["-v"], &["redis-server", "-v"]),
        (
            &["redis-cli", "-h", "a b", "ping"],
            &["redis-cli", "-h", "a b", "ping"],
        ),
    ];
    for (args, words) in cases {
        assert_eq!(container.run(args, &[]), ran(words), "{args:?}");
    }
}

#[test]
fn the_environment_comes_after_the_file_and_before_the_arguments() {
    let container = Container::new();
    let env = [
        ("DFLY_maxmemory", "4gb"),
        ("DFLY_max_clients", "a b"),
        ("VALKEY_EXTRA_FLAGS", "--hz 5 --timeout 9"),
    ];
    let added = ["--max-clients", "a b", "--maxmemory", "4gb"];
    let extra = ["--hz", "5", "--timeout", "9"];
    let file = [
        &["redis-server", "x.conf"],
        &added[..],
        &["--port", "1"],
        &extra,
    ]
    .concat();
    assert_eq!(container.run(&["x.conf", "--port", "1"], &env), ran(&file));
    let options = [&["redis-server"], &added[..], &["--port", "1"], &extra].concat();
    assert_eq!(container.run(&["--port", "1"], &env), ran(&options));
    assert_eq!(
        container.run(&["redis-cli", "ping"], &env),
        ran(&["redis-cli", "ping"])
    );
}

#[test]
fn passwords_go_in_through_standard_input() {
    let container = Container::new();
    let secret = container.0.join("secret");
    fs::write(&secret, "from a file\n").expect("written");
    let secret = secret.to_str().expect("text");
    for (env, line) in [
        (
            ("REDIS_PASSWORD", "a\\b\"c $x"),
            r#"requirepass "a\\b\"c $x""#,
        ),
        (
            ("REDIS_PASSWORD_FILE", secret),
            r#"requirepass "from a file""#,
        ),
        (("DFLY_PASSWORD", "p"), r#"requirepass "p""#),
        (("DFLY_requirepass", "p"), r#"requirepass "p""#),
    ] {
        let printed = container.run(&["--port", "1"], &[env]);
        let expected = [
            ran(&["redis-server", "--port", "1", "-"]),
            vec![line.into(), String::new()],
        ]
        .concat();
        assert_eq!(printed, expected, "{env:?}");
    }
}

#[test]
fn a_password_does_not_displace_settings_from_standard_input() {
    let container = Container::new();
    let printed = container.run_with(
        &["-", "--port", "1"],
        &[("REDIS_PASSWORD", "p")],
        "hz 5\nhz 6\n",
    );
    let settings = [r#"requirepass "p""#, "hz 5", "hz 6"]
        .map(String::from)
        .to_vec();
    assert_eq!(
        printed,
        [ran(&["redis-server", "-", "--port", "1"]), settings].concat()
    );
}

#[test]
fn root_gives_the_data_away_and_steps_down() {
    let container = Container::new();
    let find = "find . ! -user redis -exec chown redis:redis {} +".to_string();
    let setpriv = [
        "setpriv --reuid=redis",
        "setpriv --regid=redis",
        "setpriv --clear-groups",
    ]
    .map(String::from)
    .to_vec();
    let server = ran(&["redis-server"]);
    let root = ("FAKE_UID", "0");
    assert_eq!(
        container.run(&[], &[root]),
        [vec![find.clone()], setpriv.clone(), server.clone()].concat()
    );
    assert_eq!(
        container.run(&[], &[root, ("SKIP_FIX_PERMS", "1")]),
        [setpriv, server.clone()].concat()
    );
    assert_eq!(
        container.run(&[], &[root, ("SKIP_DROP_PRIVS", "1")]),
        [vec![find], server].concat()
    );
    assert_eq!(container.run(&["redis-cli"], &[root]), ran(&["redis-cli"]));
}

#[test]
fn a_mask_that_was_chosen_is_kept() {
    let printed = Container::new().run(&[], &[("FAKE_UMASK", "0027")]);
    assert!(printed.contains(&"umask 0027".to_string()), "{printed:?}");
}
