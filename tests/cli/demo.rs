//! `plimsoll demo`: the story has to go as told.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::{plimsoll, run};

#[test]
fn the_story_goes_as_told() {
    let told = run(&["demo", "--once"]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.out.ends_with("decisions, all as told\n"), "{}", told.out);
    for chapter in 1..=5 {
        assert!(told.out.contains(&format!("\n{chapter}  ")), "chapter {chapter}");
    }
    for decision in ["allow ", "restrict ", "step_up ", "deny "] {
        assert!(told.out.contains(decision), "{decision}");
    }
    assert!(!told.out.contains('\x1b'), "no colours where there is no terminal");
    assert_eq!(told.err, "");
}

#[test]
fn it_goes_on_serving_until_it_is_stopped() {
    let mut demo = plimsoll(&["demo", "--pace", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    // The last line of the hints.
    while !line.contains("takes effect within a second") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it gave hints");
    }
    let folder = line.split_whitespace().nth(4).unwrap().trim_end_matches(':').to_owned();
    assert!(std::path::Path::new(&folder).join("reputation.yaml").is_file(), "{folder}");
    assert!(demo.try_wait().unwrap().is_none(), "it goes on");
    let stop = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(stop.success());
    out.read_to_string(&mut line).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert!(!std::path::Path::new(&folder).exists(), "what it wrote is gone");
}
