//! What a person is asked, in words.

use toolcell_core::Failure;
use toolcell_core::failure::Question;
use toolcell_core::runs::StepKey;

/// The question of a call that somebody must decide about.
pub(super) fn about(key: &StepKey, failure: &Failure) -> Question {
    failure.question.clone().unwrap_or_else(|| {
        let mut hints = failure.hints.join(" ");
        if !hints.is_empty() {
            hints.push(' ');
        }
        let text = format!(
            "Step `{key}` cannot go on ({}): {}. {hints}Remove what is in the way and choose `retry`, give its result, or let it fail.",
            failure.kind,
            failure.message.trim_end_matches('.'),
        );
        Question { text, choices: choices() }
    })
}

/// The question of a step that the plan calls critical and that failed for good.
pub(super) fn critical(key: &StepKey, failure: &Failure) -> Question {
    let text = format!(
        "Step `{key}` matters and has failed ({}): {}. Shall it be tried again, will you give its result, or has it failed?",
        failure.kind,
        failure.message.trim_end_matches('.'),
    );
    Question { text, choices: choices() }
}

/// The question of a call that went out and of which nothing is known since.
pub(super) fn unknown(key: &StepKey, tool: &str) -> Question {
    let text = format!(
        "The call of step `{key}` went out to `{tool}` and its outcome is unknown, because the process ended before it came \
         back. Find out whether it took place: choose `retry` if it did not, give its result if it did, or let it fail."
    );
    Question { text, choices: choices() }
}

/// The same question again, because the answer could not be used.
pub(super) fn again(question: &Question, why: &str) -> Question {
    const MARK: &str = "\nThe last answer could not be used: ";
    let first = question.text.split(MARK).next().unwrap_or_default();
    Question { text: format!("{first}{MARK}{why}"), choices: question.choices.clone() }
}

fn choices() -> Vec<String> {
    ["retry", "result", "fail"].map(str::to_owned).to_vec()
}
