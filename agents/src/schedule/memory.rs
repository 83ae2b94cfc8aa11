//! Runs kept in memory: for embedding without a disk, and for tests. Nothing survives the end of the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use toolcell_core::runs::{
    Answered, Fence, Kept, NewRun, RunError, RunHead, RunState, RunStore, StepKey, StepRecord, StepState,
};
use toolcell_core::{RunId, Tenant, UnixMillis};

/// A run store in memory.
#[derive(Debug, Default)]
pub struct MemoryRuns(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    by_id: HashMap<RunId, Run>,
    /// How many runs were ever created.
    created: u64,
}

#[derive(Debug)]
struct Run {
    /// Grows with each run: lists have one order, however many begin in one millisecond.
    number: u64,
    head: RunHead,
    steps: BTreeMap<StepKey, Kept>,
}

impl MemoryRuns {
    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    /// The run, unless it is another tenant's.
    fn owned(&mut self, tenant: &Tenant, run: RunId) -> Result<&mut Run, RunError> {
        self.by_id.get_mut(&run).filter(|found| found.head.run.tenant == *tenant).ok_or(RunError::NotFound)
    }
}

#[async_trait]
impl RunStore for MemoryRuns {
    async fn create(&self, run: &NewRun) -> Result<(), RunError> {
        let mut runs = self.lock();
        if runs.by_id.contains_key(&run.id) {
            return Err(RunError::Exists);
        }
        runs.created += 1;
        let number = runs.created;
        let head = RunHead { run: run.clone(), state: RunState::Running, ended: None, fence: Fence::default() };
        runs.by_id.insert(run.id, Run { number, head, steps: BTreeMap::new() });
        Ok(())
    }

    async fn claim(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        let mut runs = self.lock();
        let found = runs.owned(tenant, run)?;
        if !found.head.state.ended() {
            found.head.fence.0 += 1;
            found.head.state = RunState::Running;
        }
        Ok(found.head.clone())
    }

    async fn commit(
        &self,
        run: RunId,
        fence: Fence,
        records: &[StepRecord],
        state: Option<RunState>,
        now: UnixMillis,
    ) -> Result<(), RunError> {
        let mut runs = self.lock();
        let found = runs.by_id.get_mut(&run).ok_or(RunError::NotFound)?;
        if found.head.fence != fence || found.head.state.ended() {
            return Err(RunError::Overtaken);
        }
        for record in records {
            found.steps.insert(record.key.clone(), Kept { record: record.clone(), answer: None });
        }
        if let Some(state) = state {
            found.head.state = state;
            found.head.ended = state.ended().then_some(now);
        }
        Ok(())
    }

    async fn head(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        self.lock().owned(tenant, run).map(|found| found.head.clone())
    }

    async fn steps(&self, run: RunId, after: Option<&StepKey>, limit: u32) -> Result<Vec<Kept>, RunError> {
        use std::ops::Bound;
        let runs = self.lock();
        let Some(found) = runs.by_id.get(&run) else { return Ok(Vec::new()) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = usize::try_from(limit.clamp(1, 10_000)).unwrap_or(10_000);
        Ok(found
            .steps
            .range::<StepKey, _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(_, kept)| kept.clone())
            .collect())
    }

    async fn list(
        &self,
        tenant: &Tenant,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunHead>, RunError> {
        let mut runs = self.lock();
        let before = match before.map(|run| runs.owned(tenant, run)) {
            None => u64::MAX,
            Some(Ok(found)) => found.number,
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let mut found: Vec<_> = runs
            .by_id
            .values()
            .filter(|run| run.number < before && run.head.run.tenant == *tenant)
            .filter(|run| state.is_none_or(|state| run.head.state == state))
            .collect();
        found.sort_unstable_by_key(|run| std::cmp::Reverse(run.number));
        found.truncate(usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000));
        let bare = |head: &RunHead| RunHead {
            run: NewRun { plan: "".into(), input: "".into(), ..head.run.clone() },
            ..head.clone()
        };
        Ok(found.into_iter().map(|run| bare(&run.head)).collect())
    }

    async fn answer(&self, tenant: &Tenant, run: RunId, key: &StepKey, answer: &Answered) -> Result<(), RunError> {
        let mut runs = self.lock();
        let found = runs.owned(tenant, run)?;
        if found.head.state.ended() {
            return Err(RunError::NotWaiting);
        }
        match found.steps.get_mut(key) {
            Some(Kept { record: StepRecord { state: StepState::Waiting { .. }, .. }, answer: slot }) => {
                if slot.is_some() {
                    return Err(RunError::Answered);
                }
                *slot = Some(answer.clone());
                Ok(())
            }
            _ => Err(RunError::NotWaiting),
        }
    }

    async fn remove(&self, tenant: &Tenant, run: RunId) -> Result<(), RunError> {
        let mut runs = self.lock();
        if !runs.owned(tenant, run)?.head.state.ended() {
            return Err(RunError::NotEnded);
        }
        runs.by_id.remove(&run);
        Ok(())
    }
}
