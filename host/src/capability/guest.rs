//! One plugin instance as the host sees it: what it was given, what it has used.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::ResourceLimiter;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};

use crate::capability::Link;
use crate::capability::log::LineBudget;
use crate::capability::meter::Meter;
use crate::capability::usage::{Overrun, Usage};
use crate::config::model::Limits;
use crate::time::Timestamp;

/// Instances of core modules and components, and tables, that a guest may be made of. Rust guests have a handful.
const PARTS: usize = 100;
/// Linear memories that a guest may have; each reserves addresses, whatever it uses of them.
const MEMORIES: usize = 10;

/// The data of a plugin's store.
pub struct Guest {
    /// In front of its log lines: the device's name, or the plugin's while it is only described.
    pub name: Arc<str>,
    /// Links that it may open, by the name that its description gave them.
    pub links: BTreeMap<String, Link>,
    /// What it has used of its limits.
    pub usage: Usage,
    /// Handles that it holds.
    pub(crate) table: ResourceTable,
    /// Log lines that it may still write.
    pub(crate) lines: LineBudget,
    /// Nanoseconds that its clock is ahead of the host's: 0 but where a past moment is rehearsed.
    pub(crate) clock_shift: i64,
    /// Bytes of linear memory that it has.
    memory: u64,
    /// Elements of tables that it has.
    table_elements: u64,
}

impl Guest {
    /// A guest that has been given these links. What it uses is added to the meter.
    pub fn new(name: Arc<str>, links: BTreeMap<String, Link>, limits: Limits, meter: Arc<Meter>) -> Self {
        let lines = LineBudget::new(limits.log_lines_per_second);
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        Guest {
            name,
            links,
            usage: Usage::new(limits, meter),
            table,
            lines,
            clock_shift: 0,
            memory: 0,
            table_elements: 0,
        }
    }

    /// A handle to a link for the guest to hold.
    pub(crate) fn hand_out<L: Send + 'static>(&mut self, link: L) -> wasmtime::Result<Resource<L>> {
        match self.table.push(link) {
            Err(ResourceTableError::Full) => Err(Overrun::Handles(self.usage.limits().handles).into()),
            handle => Ok(handle?),
        }
    }

    /// Bytes of linear memory that it has.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// When something came, by the guest's clock, nanoseconds UTC.
    pub(crate) fn came_at(&self, at: Timestamp) -> i64 {
        at.0.saturating_add(self.clock_shift)
    }

    /// A handle to the link of this name, if it is of the kind that `pick` takes; else what to say.
    pub(crate) fn open_link<L: Clone + Send + 'static>(
        &mut self,
        kind: &str,
        name: &str,
        pick: impl FnOnce(&Link) -> Option<&L>,
    ) -> wasmtime::Result<Result<Resource<L>, String>> {
        match self.links.get(name).and_then(pick).cloned() {
            Some(link) => Ok(Ok(self.hand_out(link)?)),
            None => {
                let known = self.links.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Ok(Err(format!("no {kind} link {name:?} is given to this device; there is: {known}")))
            }
        }
    }
}

impl ResourceLimiter for Guest {
    /// An error and not a refusal: a guest that gets no memory traps somewhere else and takes the reason with it.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // All memories of the instance together.
        let more = desired.saturating_sub(current) as u64;
        let total = self.memory.saturating_add(more);
        self.usage.memory(total)?;
        self.memory = total;
        self.usage.meter().took_memory(more, total);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current) as u64);
        self.usage.table_elements(total)?;
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.usage.meter().gave_back_memory(self.memory);
    }
}
