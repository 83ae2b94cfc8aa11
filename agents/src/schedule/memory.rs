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
pub struct MemoryRuns(Mutex<HashMap<RunId, Run>>);

#[derive(Debug)]
struct Run {
    head: RunHead,
    steps: BTreeMap<StepKey, Kept>,
}

impl MemoryRuns {
    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run, unless it is another tenant's.
fn owned<'a>(runs: &'a mut HashMap<RunId, Run>, tenant: &Tenant, run: RunId) -> Result<&'a mut Run, RunError> {
    runs.get_mut(&run).filter(|found| found.head.run.tenant == *tenant).ok_or(RunError::NotFound)
}

#[async_trait]
impl RunStore for MemoryRuns {
    async fn create(&self, run: &NewRun) -> Result<(), RunError> {
        let mut runs = self.lock();
        if runs.contains_key(&run.id) {
            return Err(RunError::Exists);
        }
        let head = RunHead { run: run.clone(), state: RunState::Running, ended: None, fence: Fence::default() };
        runs.insert(run.id, Run { head, steps: BTreeMap::new() });
        Ok(())
    }

    async fn claim(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        let mut runs = self.lock();
        let found = owned(&mut runs, tenant, run)?;
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
        let found = runs.get_mut(&run).ok_or(RunError::NotFound)?;
        if found.head.fence != fence {
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
        owned(&mut self.lock(), tenant, run).map(|found| found.head.clone())
    }

    async fn steps(&self, run: RunId, after: Option<&StepKey>, limit: u32) -> Result<Vec<Kept>, RunError> {
        use std::ops::Bound;
        let runs = self.lock();
        let Some(found) = runs.get(&run) else { return Ok(Vec::new()) };
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
        let runs = self.lock();
        let order = |head: &RunHead| (std::cmp::Reverse(head.run.created), std::cmp::Reverse(head.run.id));
        let before = match before {
            None => None,
            Some(run) => match runs.get(&run) {
                Some(found) => Some(order(&found.head)),
                None => return Ok(Vec::new()),
            },
        };
        let mut heads: Vec<_> = runs
            .values()
            .map(|run| &run.head)
            .filter(|head| head.run.tenant == *tenant && state.is_none_or(|state| head.state == state))
            .filter(|head| before.is_none_or(|before| order(head) > before))
            .collect();
        heads.sort_by_key(|head| order(head));
        heads.truncate(usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000));
        let bare = |head: &RunHead| RunHead {
            run: NewRun { plan: "".into(), input: "".into(), ..head.run.clone() },
            ..head.clone()
        };
        Ok(heads.into_iter().map(bare).collect())
    }

    async fn answer(&self, tenant: &Tenant, run: RunId, key: &StepKey, answer: &Answered) -> Result<(), RunError> {
        let mut runs = self.lock();
        let found = owned(&mut runs, tenant, run)?;
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
        if !owned(&mut runs, tenant, run)?.head.state.ended() {
            return Err(RunError::NotEnded);
        }
        runs.remove(&run);
        Ok(())
    }
}
