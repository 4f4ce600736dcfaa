//! What an HTTP request is about: the catalog's `resources`, or the request itself.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use crate::model::{Owner, Party, Property, Route};

/// The action and the resource of an HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct About<'r> {
    pub action: &'r str,
    pub resource: Party<'r>,
    route: Option<&'r Route>,
}

/// The first route that matches; without one, the action is the method and the
/// resource of type `http` is the path.
pub fn of<'r>(routes: &'r [Route], method: &'r str, path: &'r str) -> About<'r> {
    let route = routes.iter().find(|route| route.matches(method, path));
    let kind = route.map_or("http", |route| &route.kind);
    let action = route.and_then(|route| route.action.as_deref()).unwrap_or(method);
    About { action, resource: Party { kind, id: path }, route }
}

impl<'r> About<'r> {
    /// The request's properties with those that the route gives the resource.
    pub fn with(&self, properties: &'r [Property<'r>], arena: &'r Bump) -> &'r [Property<'r>] {
        let given = self.route.map(|route| &route.properties[..]).unwrap_or_default();
        if given.is_empty() {
            return properties;
        }
        let mut all = BumpVec::with_capacity_in(properties.len() + given.len(), arena);
        all.extend_from_slice(properties);
        all.extend(given.iter().map(|(key, value)| Property {
            owner: Owner::Resource,
            key,
            value: value.value(),
        }));
        all.into_bump_slice()
    }
}
