//! How tests run the hub: held to its contract with a program that can do nothing but speak.

use std::path::Path;
use std::time::Duration;

use crate::support::hub::Hub;
use crate::support::lines::Origin;

fn shell(script: &str) -> Hub {
    Hub::start(Path::new("/bin/sh"), &["-c", script], Path::new("/"))
}

#[test]
fn a_line_is_waited_for_wherever_it_is_written() {
    let hub = shell("echo one; echo two >&2; exec sleep 600");
    assert_eq!(hub.wait_for("two", |line| line.contains("two")), "two");
    assert_eq!(hub.wait_for("one", |line| line == "one"), "one");
}

#[test]
fn a_line_that_never_comes_is_known_as_soon_as_the_program_has_ended() {
    let hub = shell("echo one");
    assert_eq!(hub.lines().wait(0, Duration::from_secs(600), |line| line == "two"), None);
    assert_eq!(hub.lines().of(Origin::Stdout), ["one"]);
}

#[test]
fn an_interrupted_program_may_end_in_its_own_way() {
    let mut hub = shell("trap 'echo drained; exit 3' INT; echo ready; while :; do sleep 0.05; done");
    hub.wait_for("ready", |line| line == "ready");
    assert_eq!(hub.interrupt().code(), Some(3));
    assert_eq!(hub.lines().of(Origin::Stdout), ["ready", "drained"]);
}
