//! What ends a run: a message for the user and the exit code that scripts rely on.

use std::fmt;

/// The classes of failure, one per exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line cannot be understood (64).
    Usage,
    /// A data set, a weights file or another input is missing or unreadable (66).
    Input,
    /// The system cannot read an input at present: a server, a mount or a disk does not answer as it should (66).
    Away,
    /// A device or a port is not available (69).
    Unavailable,
    /// A stage died, or the loss stayed non-finite (70).
    Stage,
    /// Code of a stage panicked: a mistake of the program (70).
    Panic,
    /// A device, or the machine, has no memory left (70).
    Memory,
    /// A checkpoint or another result could not be written (74).
    Output,
    /// An experiment or pipeline file is wrong (78).
    Config,
}

impl FailureKind {
    /// The exit code of the process, as in `sysexits.h`.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Usage => 64,
            Self::Input | Self::Away => 66,
            Self::Unavailable => 69,
            Self::Stage | Self::Panic | Self::Memory => 70,
            Self::Output => 74,
            Self::Config => 78,
        }
    }
}

/// An error that a user reads: what is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: FailureKind,
    /// One or more lines, each complete in itself (`file:line: key: what; remedy`).
    pub message: String,
}

/// The result of whatever can fail for a reason that a user must see.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of `kind` with its full message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// A missing or unreadable input.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Input, message)
    }

    /// A missing device or a used port.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message)
    }

    /// A stage that cannot go on.
    pub fn stage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Stage, message)
    }

    /// Code that panicked with `message`; libtorch's errors reach it that way too, where a call has no other. Of these its
    /// C++ trace is cut off.
    pub fn panicked(message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = if lacks_memory(&message) { FailureKind::Memory } else { FailureKind::Panic };
        match message.split_once("Torch(\"").and_then(|(_, text)| text.split_once("\\nException raised from")) {
            Some((text, _)) => Self::new(kind, format!("libtorch: {}", text.trim())),
            None => Self::new(kind, message),
        }
    }

    /// A result that could not be written.
    pub fn output(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Output, message)
    }

    /// A wrong experiment or pipeline.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Config, message)
    }

    /// The same failure with `context: ` in front of its message.
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Whether `text` is how libtorch says that there is no memory left (`c10::OutOfMemoryError` of devices, and the CPU's
/// allocator); of an error only its text comes out of libtorch, and only here is it looked at.
fn lacks_memory(text: &str) -> bool {
    ["out of memory", "can't allocate memory"].iter().any(|words| text.contains(words))
}

/// A libtorch call that failed inside a stage; its C++ trace is cut off, as it tells a user nothing.
#[cfg(feature = "tch")]
impl From<tch::TchError> for Failure {
    fn from(error: tch::TchError) -> Self {
        let text = error.to_string();
        let first = text.split("\nException raised from").next().unwrap_or(&text);
        let kind = if lacks_memory(first) { FailureKind::Memory } else { FailureKind::Stage };
        Self::new(kind, format!("libtorch: {}", first.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_a_kind_of_its_own_however_libtorch_says_so() {
        let kind = |text: &str| Failure::panicked(text).kind;
        assert_eq!(kind("CUDA out of memory. Tried to allocate 2.00 GiB"), FailureKind::Memory);
        assert_eq!(kind("DefaultCPUAllocator: can't allocate memory: you tried to"), FailureKind::Memory);
        assert_eq!(kind("index out of bounds"), FailureKind::Panic);
        let panic =
            "called `Result::unwrap()` on an `Err` value: Torch(\"CUDA out of memory.\\nException raised from x\")";
        let failure = Failure::panicked(panic);
        assert_eq!(failure, Failure::new(FailureKind::Memory, "libtorch: CUDA out of memory."));
        #[cfg(feature = "tch")]
        {
            let error = tch::TchError::Torch("CUDA out of memory.\nException raised from x".into());
            assert_eq!(Failure::from(error), Failure::new(FailureKind::Memory, "libtorch: CUDA out of memory."));
        }
    }
}
