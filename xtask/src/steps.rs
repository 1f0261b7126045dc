//! Timed steps, and running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Announces each step, times it, and adds up at the end.
pub struct Steps {
    started: Instant,
    planned: usize,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Starts the clock of a command with `planned` steps.
    pub fn new(planned: usize) -> Self {
        Self {
            started: Instant::now(),
            planned,
            done: Vec::new(),
        }
    }

    /// Runs one step.
    ///
    /// # Errors
    /// The step's own, with its title.
    pub fn run<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> [{}/{}] {title}", self.done.len() + 1, self.planned);
        let started = Instant::now();
        let value = work().with_context(|| format!("step failed: {title}"))?;
        let elapsed = started.elapsed();
        println!("    {title}: {}", seconds(elapsed));
        self.done.push((title.to_owned(), elapsed));
        Ok(value)
    }

    /// Runs two steps side by side: while one links on a single core, the other compiles.
    ///
    /// # Errors
    /// That of either step, with its title.
    pub fn run_both<A: Send, B>(
        &mut self,
        one: (&str, impl FnOnce() -> Result<A> + Send),
        two: (&str, impl FnOnce() -> Result<B>),
    ) -> Result<(A, B)> {
        let first = self.done.len() + 1;
        println!(
            "==> [{first}+{}/{}] {} and {}, side by side",
            first + 1,
            self.planned,
            one.0,
            two.0
        );
        let started = Instant::now();
        let ((a, a_took), (b, b_took)) = std::thread::scope(|scope| {
            let first = scope.spawn(|| ((one.1)(), started.elapsed()));
            let second = ((two.1)(), started.elapsed());
            let first = first.join().map_err(|_| anyhow::anyhow!("step panicked: {}", one.0));
            first.map(|first| (first, second))
        })?;
        let a = a.with_context(|| format!("step failed: {}", one.0))?;
        let b = b.with_context(|| format!("step failed: {}", two.0))?;
        for (title, took) in [(one.0, a_took), (two.0, b_took)] {
            println!("    {title}: {}", seconds(took));
            self.done.push((format!("{title} (side by side)"), took));
        }
        Ok((a, b))
    }

    /// Prints the time of every step and the total.
    pub fn print_summary(&self) {
        println!();
        for (title, elapsed) in &self.done {
            println!("{title:<44} {:>10}", seconds(*elapsed));
        }
        println!("{:<44} {:>10}", "total", seconds(self.started.elapsed()));
        println!();
    }
}

/// `12.3 s`, or `3 min 12 s` from a hundred seconds on.
pub fn seconds(elapsed: Duration) -> String {
    let total = elapsed.as_secs_f64();
    if total < 100.0 {
        format!("{total:.1} s")
    } else {
        format!("{} min {:02} s", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
    }
}

/// The command line as one would type it, for messages.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.is_empty() || word.contains(char::is_whitespace) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a program with its output shown.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    println!("    $ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a program and returns its standard output.
///
/// # Errors
/// When it cannot be started or does not succeed; the message holds its standard error.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}: {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first of these programs that is on PATH.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|candidate| candidate.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        for (elapsed_ms, expected) in [(0, "0.0 s"), (12_345, "12.3 s"), (192_000, "3 min 12 s")] {
            assert_eq!(seconds(Duration::from_millis(elapsed_ms)), expected);
        }
    }

    #[test]
    fn a_failing_program_is_an_error_with_its_words() {
        let error = capture(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }

    #[test]
    fn programs_are_found_in_order() {
        assert!(find_program(&["no-such-program-here", "sh"]).unwrap().ends_with("sh"));
        assert_eq!(find_program(&["no-such-program-here"]), None);
    }
}
