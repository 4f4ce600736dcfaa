//! A document whose blocks of `sh` are run, and whose blocks of `text` are what these say.
//!
//! After `sh` there may stand: `not-run`; `fails`, where the last command should; and
//! `within=5s`, where what it says may take so long to come true. `…` stands for anything,
//! alone on a line also for any number of lines.

use std::time::{Duration, Instant};

use super::shell::Shell;

pub struct Document {
    name: &'static str,
    pub blocks: Vec<Block>,
    /// How many blocks are not run.
    pub left_out: usize,
}

pub struct Block {
    /// The number of its first line.
    line: usize,
    commands: Vec<String>,
    fails: bool,
    within: Option<Duration>,
    says: Says,
}

/// What a block should say, and where that is shown.
struct Says {
    line: usize,
    lines: Vec<String>,
}

impl Document {
    pub fn read(name: &'static str, text: &str) -> Result<Self, String> {
        let mut document = Document { name, blocks: Vec::new(), left_out: 0 };
        let mut lines = (1..).zip(text.lines());
        let mut may_say = false;
        while let Some((at, line)) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let fault = |what: String| Err(format!("{name}:{at}: {what}"));
            let mut inside = Vec::new();
            loop {
                match lines.next() {
                    Some((_, "```")) => break,
                    Some((_, line)) => inside.push(line.to_owned()),
                    None => return fault("the block has no end".to_owned()),
                }
            }
            let mut words = info.split(' ');
            match words.next() {
                Some("text") if may_say => {
                    may_say = false;
                    document.blocks.last_mut().unwrap().says = Says { line: at + 1, lines: inside };
                }
                Some("text") => return fault("no command before it says this".to_owned()),
                Some("sh") if info == "sh not-run" => document.left_out += 1,
                Some("sh") => {
                    let mut block = Block {
                        line: at + 1,
                        commands: inside,
                        fails: false,
                        within: None,
                        says: Says { line: at + 1, lines: Vec::new() },
                    };
                    for word in words {
                        let seconds =
                            word.strip_prefix("within=").and_then(|w| w.strip_suffix('s'));
                        match seconds.map(str::parse) {
                            None if word == "fails" => block.fails = true,
                            Some(Ok(seconds)) => {
                                block.within = Some(Duration::from_secs_f64(seconds))
                            }
                            _ => return fault(format!("`{word}` is not known")),
                        }
                    }
                    document.blocks.push(block);
                    may_say = true;
                }
                other => {
                    return fault(format!("nothing checks a block of `{}`", other.unwrap_or("")));
                }
            }
        }
        Ok(document)
    }

    /// Runs all of it in one shell, and names the first line that is wrong.
    pub fn run(&self, shell: &mut Shell) -> Result<(), String> {
        self.blocks.iter().try_for_each(|block| {
            block.run(shell).map_err(|(line, why)| format!("{}:{line}: {why}", self.name))
        })
    }
}

impl Block {
    fn run(&self, shell: &mut Shell) -> Result<(), (usize, String)> {
        let until = Instant::now() + self.within.unwrap_or_default();
        loop {
            match self.run_once(shell) {
                Err(_) if Instant::now() < until => {}
                done => return done,
            }
        }
    }

    fn run_once(&self, shell: &mut Shell) -> Result<(), (usize, String)> {
        let ran = shell.run(self.line, &self.commands);
        let whole = format!("It said:\n{}", ran.said.join("\n"));
        let last = self.line + self.commands.len() - 1;
        match ran.failed {
            Some((line, code)) if !self.fails || line < self.line || line > last => {
                return Err((line, format!("a command failed (exit code {code}). {whole}")));
            }
            None if self.fails => {
                return Err((last, format!("it should fail, and does not. {whole}")));
            }
            _ => {}
        }
        if self.says.lines.is_empty() {
            let Some(first) = ran.said.first() else { return Ok(()) };
            return Err((self.line, format!("it says `{first}`, which is not shown. {whole}")));
        }
        let Err(wrong) = compare(&self.says.lines, &ran.said) else { return Ok(()) };
        let why = match (self.says.lines.get(wrong.shown), ran.said.get(wrong.said)) {
            (Some(shown), Some(said)) => {
                format!("shown is `{shown}`, but it says `{said}`. {whole}")
            }
            (Some(shown), None) => format!("shown is `{shown}`, but it says nothing more. {whole}"),
            (None, said) => format!("nothing is shown for `{}`. {whole}", said.map_or("", |s| s)),
        };
        Err((self.says.line + wrong.shown, why))
    }
}

/// Where two texts part: line numbers from 0.
#[derive(Clone, Copy)]
struct Wrong {
    shown: usize,
    said: usize,
}

fn compare(shown: &[String], said: &[String]) -> Result<(), Wrong> {
    let Some((first, rest)) = shown.split_first() else {
        return if said.is_empty() { Ok(()) } else { Err(Wrong { shown: 0, said: 0 }) };
    };
    if first.trim() == "…" {
        let ends =
            (0..=said.len()).map(|skip| compare(rest, &said[skip..]).map_err(|at| (skip, at)));
        let mut furthest = Wrong { shown: 0, said: 0 };
        for end in ends {
            match end {
                Ok(()) => return Ok(()),
                Err((skip, at)) if at.shown + 1 > furthest.shown => {
                    furthest = Wrong { shown: at.shown + 1, said: at.said + skip };
                }
                Err(_) => {}
            }
        }
        return Err(furthest);
    }
    match said.split_first() {
        Some((line, others)) if fits(first, line) => {
            compare(rest, others).map_err(|at| Wrong { shown: at.shown + 1, said: at.said + 1 })
        }
        _ => Err(Wrong { shown: 0, said: 0 }),
    }
}

/// Whether a line is as shown, with `…` for anything but nothing.
fn fits(shown: &str, said: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return shown == said };
    let Some(after) = said.strip_prefix(start) else { return false };
    (1..=after.len()).filter(|at| after.is_char_boundary(*at)).any(|at| fits(rest, &after[at..]))
}
