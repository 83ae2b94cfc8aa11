//! Shows a build to whoever watches: a moving line on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use toolcell_build::{BuildEvent, Progress, SetUpStep};
use toolcell_core::units::Bytes;

use crate::terminal::{Style, err, watched};

/// Shows builds on stderr.
pub(crate) struct Shown {
    bar: ProgressBar,
    folder: Mutex<String>,
}

impl Shown {
    pub(crate) fn new() -> Self {
        let bar = if watched() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        let style = ProgressStyle::with_template("  {spinner} {msg} {elapsed:.dim}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        if watched() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar, folder: Mutex::default() }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("  {text}"));
    }

    /// A line that the next one replaces; where nobody watches, only what matters is written, as plain lines.
    fn passing(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn folder(&self) -> String {
        self.folder.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Shown {
    fn event(&self, event: BuildEvent<'_>) {
        match event {
            BuildEvent::Started { folder } => {
                let name = folder
                    .file_name()
                    .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
                self.passing(&format!("building {name}"));
                *self.folder.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = name;
            }
            BuildEvent::SetUp(step) => self.set_up(&step),
            BuildEvent::Compiling { unit, done } => {
                self.passing(&format!("building {}: {done} crates, {unit}", self.folder()));
            }
            BuildEvent::Diagnostic(text) => self.bar.suspend(|| eprintln!("{}", text.trim_end())),
            BuildEvent::Docs(note) => self.line(&err(Style::Warn, &format!("{}: {note}", self.folder()))),
            BuildEvent::Shadows { export } => self.line(&err(
                Style::Warn,
                &format!(
                    "{}: the root export `{export}` has the name of a function of the C library and may replace it; \
                     rename it, or export it from an interface",
                    self.folder()
                ),
            )),
            BuildEvent::Fresh { digest, .. } => {
                self.line(&format!(
                    "{} {} is fresh {}",
                    err(Style::Good, "✓"),
                    self.folder(),
                    err(Style::Dim, &digest.to_string()[..12])
                ));
            }
            BuildEvent::Done { digest, size, .. } => self.line(&format!(
                "{} {} built, {} KiB {}",
                err(Style::Good, "✓"),
                self.folder(),
                size.div_ceil(1_024),
                err(Style::Dim, &digest.to_string()[..12])
            )),
            BuildEvent::Embedded { manifest, docs } => {
                self.passing(&format!(
                    "{}: manifest {}, docs {}",
                    self.folder(),
                    Bytes(manifest as u64),
                    Bytes(docs as u64)
                ));
            }
            _ => {}
        }
    }
}

impl Shown {
    fn set_up(&self, step: &SetUpStep<'_>) {
        match step {
            SetUpStep::Installer { command } => {
                self.line(&format!("the compile target is missing; trying `{command}`"));
            }
            SetUpStep::DidNotWork { step, problem } => self.line(&format!("{step}: {}", err(Style::Warn, problem))),
            SetUpStep::Waiting => self.line("another process sets up the compile target; waiting for it"),
            SetUpStep::Searching { suite } => {
                self.line(&format!("looking for the standard library's source in {suite}"));
            }
            SetUpStep::Downloading { package } => self.line(&format!("downloading {package}")),
            SetUpStep::Compiling { unit, done } => {
                self.passing(&format!(
                    "compiling the standard library for wasm32-wasip2, once for this toolchain: {done} crates, {unit}"
                ));
            }
            SetUpStep::Trying => self.passing("trying the compile target"),
            SetUpStep::Ready => self.line(&format!("{} the compile target is ready", err(Style::Good, "✓"))),
            _ => {}
        }
    }
}
