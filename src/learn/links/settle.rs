//! Distances and clusters, made right again after each change of the graph.
//!
//! A distance is one more than the least of the neighbours' (Bellman-Ford, driven by
//! changes as in the routing protocols that are made of it): what is true is the only
//! state in which nothing changes any more, and since nothing counts beyond
//! [`MOST_STEPS`], that is reached also where a way was lost.

use std::collections::{BTreeSet, VecDeque};

use super::graph::{FAR, Graph, Key, KeySet};

/// Labelled entities further off than this are not seen.
pub const MOST_STEPS: u8 = 8;

/// What is yet to be settled.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    distances: VecDeque<Key>,
    waiting: KeySet,
    clusters: BTreeSet<Key>,
    /// Whether anybody asks how large clusters are: else they are not looked through.
    asks_clusters: bool,
}

impl Unsettled {
    pub(super) fn add(&mut self, entity: Key) {
        self.add_distance(entity);
        if self.asks_clusters {
            self.clusters.insert(entity);
        }
    }

    /// Says whether clusters are asked about. Where they weren't, all of them are unknown.
    pub(super) fn ask_clusters(&mut self, asks: bool, graph: &Graph) {
        if asks != std::mem::replace(&mut self.asks_clusters, asks) {
            self.clusters.clear();
            self.clusters.extend(graph.entities.keys().filter(|_| asks));
        }
    }

    fn add_distance(&mut self, entity: Key) {
        if self.waiting.insert(entity) {
            self.distances.push_back(entity);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.distances.is_empty() && self.clusters.is_empty()
    }

    /// Settles distances, at most `work` of them. Who changed is added to `told`.
    pub(super) fn distances(
        &mut self,
        graph: &mut Graph,
        bad: impl Fn(Key) -> bool,
        mut work: usize,
        told: &mut BTreeSet<Key>,
    ) {
        while work > 0
            && let Some(entity) = self.distances.pop_front()
        {
            work -= 1;
            self.waiting.remove(&entity);
            let nearest = graph.neighbours(entity).filter_map(|n| graph.entities.get(&n));
            let nearest = nearest.map(|node| node.distance).min().unwrap_or(FAR);
            let next = match nearest {
                _ if bad(entity) => 0,
                near @ 0..MOST_STEPS => near + 1,
                _ => FAR,
            };
            let Some(node) = graph.entities.get_mut(&entity) else { continue };
            if node.distance == next {
                continue;
            }
            node.distance = next;
            told.insert(entity);
            graph.reorder_entity(entity);
            for neighbour in graph.neighbours(entity) {
                self.add_distance(neighbour);
            }
        }
    }

    /// Settles clusters of at most `most` entities, looking at about `work` of them.
    pub(super) fn clusters(
        &mut self,
        graph: &mut Graph,
        most: usize,
        mut work: usize,
        told: &mut BTreeSet<Key>,
    ) {
        while work > 0
            && let Some(start) = self.clusters.pop_first()
        {
            if !graph.entities.contains_key(&start) {
                continue;
            }
            let mut found = KeySet::from_iter([start]);
            let mut queue = VecDeque::from([start]);
            let mut beyond = BTreeSet::new();
            while let Some(entity) = queue.pop_front() {
                work = work.saturating_sub(1);
                for neighbour in graph.neighbours(entity) {
                    if found.contains(&neighbour) {
                        continue;
                    }
                    if found.len() >= most {
                        beyond.insert(neighbour);
                    } else {
                        found.insert(neighbour);
                        queue.push_back(neighbour);
                    }
                }
            }
            for entity in &found {
                let Some(node) = graph.entities.get_mut(entity) else { continue };
                if node.cluster != found.len() {
                    node.cluster = found.len();
                    told.insert(*entity);
                }
                self.clusters.remove(entity);
            }
            // Larger than is looked through: those at its edge look on themselves.
            let unsettled = |key: &Key| graph.entities.get(key).is_some_and(|n| n.cluster != most);
            self.clusters.extend(beyond.into_iter().filter(unsettled));
        }
    }
}
