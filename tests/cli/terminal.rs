//! What a command shows on a terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::Ran;

/// Runs a command whose standard error is a terminal, and whose output is none.
pub(crate) fn run_on_a_terminal(mut command: Command) -> Ran {
    let controller =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = open(name, flags, Mode::empty()).unwrap();
    let child = command.stdout(Stdio::piped()).stderr(terminal).spawn().unwrap();
    // The end comes once nobody has the terminal open.
    drop(command);
    let mut controller = File::from(controller);
    let mut shown = Vec::new();
    let end = controller.read_to_end(&mut shown).unwrap_err();
    assert_eq!(end.raw_os_error(), Some(Errno::IO.raw_os_error()), "{end}");
    let mut ran = Ran::from(child.wait_with_output().unwrap());
    ran.err = String::from_utf8(shown).unwrap();
    ran
}
