//! What has to be there before this process says that it is ready.

use std::sync::Arc;

use crate::api::health::{NO_POLICY, Readiness, Stage};
use crate::api::pdp::Pdp;
use crate::config::ReadinessConfig;
use crate::model::suggest;
use crate::policy::publisher::Publisher;
use crate::signals::{FeedSpec, FeedState};
use crate::store::{LoadError, Store};

/// Waits for the first policy, and for the lists and signals that are configured.
/// Once it was open it stays so: what fails later is told, and decided without.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    config: Arc<ReadinessConfig>,
    pdp: Arc<Pdp>,
    publisher: Arc<Publisher>,
    readiness: Readiness,
    store: Option<Arc<Store>>,
}

impl Gate {
    pub(super) fn new(
        config: &ReadinessConfig,
        pdp: &Arc<Pdp>,
        publisher: &Arc<Publisher>,
        readiness: &Readiness,
        store: Option<&Arc<Store>>,
    ) -> Self {
        Gate {
            config: Arc::new(config.clone()),
            pdp: Arc::clone(pdp),
            publisher: Arc::clone(publisher),
            readiness: readiness.clone(),
            store: store.cloned(),
        }
    }

    /// Puts into the cache what is kept of the kinds that the catalog knows.
    pub(super) fn load(&self) -> Result<(), LoadError> {
        let (Some(store), Some(published)) = (&self.store, &*self.pdp.published()) else {
            return Ok(());
        };
        store.load(&self.pdp.cache, &published.snapshot.plan)
    }

    /// Looks whether everything is there now.
    pub(super) fn look(&self) {
        let unloaded = self.load().err();
        if self.readiness.stage() != Stage::Starting {
            return;
        }
        let mut waits = self.waits();
        waits.extend(unloaded.map(|why| why.to_string()));
        if waits.is_empty() {
            self.readiness.set(Stage::Ready);
            tracing::info!("ready");
        } else {
            let before = self.readiness.waits().len();
            let waiting = waits.join("; ");
            // Not each signal on the way to the number of them.
            if self.readiness.wait_for(waits.clone()) && before != waits.len() {
                tracing::info!(%waiting, "not ready yet");
            }
        }
    }

    fn waits(&self) -> Vec<String> {
        if self.pdp.published().is_none() {
            return vec![NO_POLICY.to_owned()];
        }
        let feeds = self.publisher.feeds();
        let lists = self.config.lists.iter().filter_map(|name| lacking(name, &feeds));
        let mut waits: Vec<String> = lists.collect();
        let (accepted, asked) =
            (self.pdp.cache.stats().signals_accepted, self.config.first_signals);
        if accepted < asked {
            waits.push(format!("{accepted} of the first {asked} signals have been accepted"));
        }
        waits
    }
}

/// What is wrong with a required list; nothing where it is loaded.
fn lacking(name: &str, feeds: &[FeedState]) -> Option<String> {
    let list = |feed: &FeedState| match &feed.spec {
        FeedSpec::List { name, .. } => Some(name.clone()),
        FeedSpec::GeoCity(_) | FeedSpec::GeoAsn(_) => None,
    };
    let Some(feed) = feeds.iter().find(|feed| list(feed).as_deref() == Some(name)) else {
        let known: Vec<_> = feeds.iter().filter_map(list).collect();
        let hint = match suggest(name, known.iter().map(|name| &**name)) {
            Some(near) => format!(": did you mean `{near}`?"),
            None => String::new(),
        };
        return Some(format!("`readiness.lists`: the catalog has no list `{name}`{hint}"));
    };
    if feed.loaded_at.is_some() {
        return None;
    }
    let why = feed.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("the list `{name}` is not loaded yet{why}"))
}
