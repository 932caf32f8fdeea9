//! What one device monitors, and what came for it.
//!
//! Invariant: a notification is handed out for the list of nodes that it belongs to, or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::warn;

use super::bindings::tutin::opcua::client::{Node, Notification};
use crate::capability::wire::{Inbox, Memory};

/// Lists of nodes are numbered through, whoever asked for them.
static LISTS: AtomicU64 = AtomicU64::new(1);

/// A list of nodes to monitor, and how.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Which list this is, of all.
    pub(super) list: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) sampling: Duration,
    pub(super) publishing: Duration,
    /// The server's queue for each item.
    pub(super) queue: u32,
}

/// One device at a connection.
pub(super) struct Seat {
    device: Arc<str>,
    inbox: Inbox<(u64, Notification)>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    wanted: Option<Arc<Wanted>>,
    refused: Vec<(u32, u32)>,
    /// What stands: the last notification of each item, and the items that are refused; `None` after a loss.
    standing: Option<Standing>,
    /// How the last loss came about, and whether the log already says that there are losses.
    how: Option<&'static str>,
    is_told: bool,
}

/// What a driver that takes over must know.
#[derive(Default)]
struct Standing {
    last: BTreeMap<u32, Notification>,
    refused: Vec<(u32, u32)>,
}

/// What a device takes.
pub(super) struct Taken {
    pub(super) notifications: Vec<Notification>,
    pub(super) lost: u64,
    pub(super) more: bool,
    pub(super) refused: Vec<(u32, u32)>,
}

impl Wanted {
    pub(super) fn new(nodes: Vec<Node>, sampling: Duration, publishing: Duration, queue: u32) -> Self {
        Wanted { list: LISTS.fetch_add(1, Ordering::Relaxed), nodes, sampling, publishing, queue }
    }

    /// The same nodes at the same rates.
    fn is_like(&self, other: &Wanted) -> bool {
        let is_same = |(a, b): (&Node, &Node)| a.namespace == b.namespace && a.identifier == b.identifier;
        (self.sampling, self.publishing, self.queue) == (other.sampling, other.publishing, other.queue)
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(is_same)
    }
}

impl Seat {
    /// A device that monitors nothing yet, with room for so many notifications.
    pub(super) fn new(device: Arc<str>, room: usize) -> Self {
        Seat { device, inbox: Inbox::new(room), inside: Mutex::default() }
    }

    /// Monitors these from now on, instead of what was monitored before. A driver that took over (`memory`) goes on with the same list if it is
    /// like its own, so that nothing is lost between two subscriptions; when it does not know what stands it is told.
    pub(super) fn want(&self, wanted: Wanted, memory: Option<Memory>) {
        let goes_on = self.with(|inside| {
            let Inside { wanted: before, refused, standing, .. } = inside;
            match (before, memory, standing) {
                (Some(before), Some(Memory::Kept), _) if before.is_like(&wanted) => true,
                (Some(before), Some(Memory::None), Some(standing)) if before.is_like(&wanted) => {
                    let last = standing.last.values().cloned();
                    last.for_each(|notification| self.inbox.push((before.list, notification)));
                    refused.clone_from(&standing.refused);
                    true
                }
                _ => {
                    inside.wanted = Some(Arc::new(wanted));
                    inside.refused.clear();
                    inside.standing = Some(Standing::default());
                    false
                }
            }
        });
        if goes_on {
            self.inbox.ring();
        }
    }

    pub(super) fn wanted(&self) -> Option<Arc<Wanted>> {
        self.with(|inside| inside.wanted.clone())
    }

    /// Notifications came for this list.
    pub(super) fn deliver(&self, list: u64, notifications: Vec<Notification>) {
        self.with(|inside| {
            let is_present = inside.wanted.as_ref().is_some_and(|wanted| wanted.list == list);
            if let Some(standing) = inside.standing.as_mut().filter(|_| is_present) {
                standing.last.extend(notifications.iter().map(|one| (one.item, one.clone())));
            }
        });
        for notification in notifications {
            self.inbox.push((list, notification));
        }
        self.inbox.ring();
    }

    /// So many were lost before they came here, and how.
    pub(super) fn lost(&self, count: u64, how: &'static str) {
        if count > 0 {
            self.with(|inside| {
                inside.how = Some(how);
                inside.standing = None;
            });
            self.inbox.lost_before(count);
            self.inbox.ring();
        }
    }

    /// The server does not monitor these items of this list: position and status.
    pub(super) fn refuse(&self, list: u64, items: Vec<(u32, u32)>) {
        if items.is_empty() {
            return;
        }
        self.with(|inside| {
            if inside.wanted.as_ref().is_some_and(|wanted| wanted.list == list) {
                if let Some(standing) = &mut inside.standing {
                    standing.refused.clone_from(&items);
                }
                inside.refused = items;
            }
        });
        self.inbox.ring();
    }

    /// Hands out what came, at most so many notifications.
    pub(super) fn take(&self, most: usize) -> Taken {
        let taken = self.inbox.take(most);
        let (list, refused) = self.with(|inside| {
            self.tell(inside, taken.dropped);
            let list = inside.wanted.as_ref().map(|wanted| wanted.list);
            (list, std::mem::take(&mut inside.refused))
        });
        let items = taken.items.into_iter();
        let notifications = items.filter_map(|((of, item), _)| (Some(of) == list).then_some(item)).collect();
        Taken { notifications, lost: taken.dropped, more: taken.more, refused }
    }

    pub(super) fn bell(&self) -> Arc<Notify> {
        self.inbox.bell()
    }

    pub(super) fn ring(&self) {
        self.inbox.ring();
    }

    pub(super) fn is_in_hand(&self) -> bool {
        self.inbox.is_in_hand()
    }

    pub(super) fn kept(&self) {
        self.inbox.kept();
    }

    pub(super) fn not_kept(&self) {
        self.inbox.not_kept();
    }

    /// Says in the log that there are losses when they begin, not at each poll.
    fn tell(&self, inside: &mut Inside, dropped: u64) {
        let how = inside.how.take().unwrap_or("too many waited for the device (queue)");
        if dropped > 0 && !inside.is_told {
            warn!(device = &*self.device, "notifications lost, at least {dropped}: {how}");
        }
        inside.is_told = dropped > 0;
    }

    fn with<R>(&self, work: impl FnOnce(&mut Inside) -> R) -> R {
        work(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
