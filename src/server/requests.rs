//! Connections that carry plain requests: how many there are, in all and by address. Where many are open each answer ends its
//! connection: what idles for its next request must not take the places of those who come now.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::IpRange;
use crate::metrics;
use crate::socket::{Gate, network};

/// So many an address may have besides its sockets in any case, to be told why no more are let in.
const BESIDE_SOCKETS: usize = 16;

/// Counts open connections.
#[derive(Clone)]
pub(super) struct Requests(Arc<Counts>);

struct Counts {
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    max: usize,
    /// Of one address, together with its sockets.
    by_address_max: usize,
    sockets: Arc<Gate>,
    /// Who may have any number, for they bring others' requests.
    proxies: Vec<IpRange>,
}

impl Counts {
    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing panics while it is locked.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place.
pub(super) struct RequestPlace {
    counts: Arc<Counts>,
    address: Option<IpAddr>,
}

impl Requests {
    /// Nothing is open; the server takes `max` at the same time, of one address `by_address_max` together with its `sockets`, and never
    /// more than three quarters of all. `proxies` are not counted by address.
    pub fn new(max: usize, by_address_max: usize, sockets: Arc<Gate>, proxies: Vec<IpRange>) -> Self {
        let (open, by_address) = Default::default();
        Self(Arc::new(Counts { open, by_address, max, by_address_max, sockets, proxies }))
    }

    /// How many may be open.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Lets a connection in; `None` if its address has too many.
    pub fn enter(&self, peer: Option<IpAddr>) -> Option<RequestPlace> {
        let counts = &self.0;
        let address = peer.filter(|peer| !counts.proxies.iter().any(|range| range.contains(*peer))).map(network);
        if let Some(address) = address {
            let sockets = counts.sockets.count_of(address);
            let mut by_address = counts.by_address();
            let own = by_address.entry(address).or_default();
            let is_over = *own >= BESIDE_SOCKETS
                && (*own + sockets >= counts.by_address_max || *own >= counts.max - counts.max / 4);
            if is_over {
                metrics::HTTP_REFUSED.inc();
                return None;
            }
            *own += 1;
        }
        counts.open.fetch_add(1, Ordering::Relaxed);
        metrics::HTTP_CONNECTIONS.inc();
        Some(RequestPlace { counts: counts.clone(), address })
    }

    /// Whether connections are to end with their answer.
    pub fn is_crowded(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > self.0.max / 2
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        metrics::HTTP_CONNECTIONS.dec();
        let Some(address) = self.address else { return };
        let mut by_address = self.counts.by_address();
        if let Some(own) = by_address.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn rule_36_an_address_has_its_sockets_and_requests_together_and_leaves_some_for_others() {
        let sockets = Gate::new(100, 100);
        let proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let requests = Requests::new(100, 30, sockets.clone(), proxies.clone());
        let one = address("192.0.2.1");
        let taken: Vec<_> = std::iter::from_fn(|| requests.enter(one)).collect();
        assert_eq!(taken.len(), 30);
        assert!(requests.enter(address("192.0.2.2")).is_some() && !requests.is_crowded());
        let of_a_proxy: Vec<_> = (0..40).filter_map(|_| requests.enter(address("10.0.0.1"))).collect();
        assert_eq!((of_a_proxy.len(), requests.is_crowded()), (40, true));
        drop((taken, of_a_proxy));
        assert_eq!((requests.0.open.load(Ordering::Relaxed), requests.0.by_address().len()), (0, 0));

        let _sockets: Vec<_> = (0..20).map(|_| sockets.enter(one.unwrap()).unwrap()).collect();
        assert_eq!(std::iter::from_fn(|| requests.enter(one)).collect::<Vec<_>>().len(), BESIDE_SOCKETS);
        let few = Requests::new(40, 1000, Gate::new(1, 1), proxies);
        assert_eq!(std::iter::from_fn(|| few.enter(one)).collect::<Vec<_>>().len(), 30);
    }
}
