//! The one way in which a layer looks at an outcome.

use std::time::Duration;

use toolcell_core::failure::Question;
use toolcell_core::{Kind, Limit, Outcome, Recovery};

/// What an outcome lets a layer do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is a result.
    Done,
    /// The same call may work later. Outside of retry it means that retrying has come to its end.
    Again {
        /// How long the failure asks to wait first.
        after: Option<Duration>,
    },
    /// Another call may work.
    Repairable,
    /// A person must decide. No layer may put anything else in its place.
    Asks(Question),
    /// Nothing helps.
    Over,
}

/// Looks at an outcome. Every layer does it here, so that a question to a person passes all of them as it is.
pub fn turn(outcome: &Outcome) -> Turn {
    let Some(failure) = outcome.verdict.failure() else { return Turn::Done };
    match (failure.kind, failure.recovery) {
        // Who cancelled does not want it again, whatever else the failure says.
        (Kind::Cancelled, _) | (_, Recovery::Stop) => Turn::Over,
        (_, Recovery::Ask) => Turn::Asks(
            failure.question.clone().unwrap_or_else(|| Question { text: failure.message.clone(), choices: Vec::new() }),
        ),
        // A smaller call would be a repair, but time also runs out where something was slow just then.
        // And a tool that breaks may do so by the random numbers of that one call.
        (_, Recovery::Retry) | (Kind::Trap | Kind::Limit(Limit::Time | Limit::HttpTime), Recovery::Repair) => {
            Turn::Again { after: failure.retry_after_ms.map(Duration::from_millis) }
        }
        (_, Recovery::Repair) => Turn::Repairable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolcell_core::failure::KINDS;
    use toolcell_core::limits::LIMITS;
    use toolcell_core::{Failure, ResultText, Verdict};

    fn of(failure: Failure) -> Turn {
        turn(&Outcome::unsealed(Verdict::of(failure)))
    }

    #[test]
    fn every_kind_has_the_turn_that_its_recovery_says() {
        let kinds = KINDS.iter().map(|row| row.0).chain(LIMITS.iter().map(|row| Kind::Limit(row.limit)));
        for kind in kinds {
            let passing = matches!(kind, Kind::Trap | Kind::Limit(Limit::Time | Limit::HttpTime));
            match (of(Failure::new(kind, "why")), kind.recovery()) {
                (Turn::Again { after: None }, Recovery::Retry)
                | (Turn::Over, Recovery::Stop)
                | (Turn::Asks(_), Recovery::Ask) => {}
                (Turn::Again { .. }, Recovery::Repair) => assert!(passing, "{kind}"),
                (Turn::Repairable, Recovery::Repair) => assert!(!passing, "{kind}"),
                (turn, recovery) => panic!("{kind}: {turn:?} for {recovery:?}"),
            }
        }
        let done = Verdict::Completed { result: ResultText::new("1".to_owned()) };
        assert_eq!(turn(&Outcome::unsealed(done)), Turn::Done);
    }

    #[test]
    fn what_a_tool_says_of_its_failure_counts_but_for_a_cancellation() {
        let mut failure = Failure::new(Kind::ToolFailed, "busy");
        (failure.recovery, failure.retry_after_ms) = (Recovery::Retry, Some(70));
        assert_eq!(of(failure.clone()), Turn::Again { after: Some(Duration::from_millis(70)) });
        failure.kind = Kind::Cancelled;
        assert_eq!(of(failure), Turn::Over);
    }

    #[test]
    fn a_question_that_was_not_written_is_the_failures_message() {
        let question = Question { text: "which one?".to_owned(), choices: vec!["a".to_owned()] };
        let mut failure = Failure::new(Kind::NeedsPerson, "the tool asks");
        assert!(matches!(of(failure.clone()), Turn::Asks(asked) if asked.text == "the tool asks"));
        failure.question = Some(question.clone());
        assert_eq!(of(failure), Turn::Asks(question));
    }
}
