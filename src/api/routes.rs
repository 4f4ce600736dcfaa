//! The gRPC services beside `ext_authz`, mounted together.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, Error};

use super::decision::Decisions;
use super::health::{HealthService, Readiness};
use super::identity::PassedOn;
use super::pdp::Pdp;
use super::review::Reviews;
use super::signals::Signals;
use crate::proto::decision_service_server::DecisionServiceServer;
use crate::proto::review_service_server::ReviewServiceServer;
use crate::proto::signal_service_server::SignalServiceServer;

/// What health is told for by name. Reflection doesn't list Envoy's service: we
/// carry no descriptors of it.
const SERVICES: &[&str] = &[
    "plimsoll.v1.DecisionService",
    "plimsoll.v1.SignalService",
    "plimsoll.v1.ReviewService",
    "envoy.service.auth.v3.Authorization",
];

/// Decisions, signals, labels and announcements, health and reflection.
///
/// # Errors
/// When the descriptors that reflection serves can't be read; they are built in.
pub fn grpc_routes(
    pdp: &Arc<Pdp>,
    readiness: &Readiness,
    passed_on: PassedOn,
) -> Result<Routes, Error> {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(crate::proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = HealthService::new(readiness.clone(), SERVICES);
    Ok(Routes::new(DecisionServiceServer::new(Decisions::new(Arc::clone(pdp), passed_on)))
        .add_service(SignalServiceServer::new(Signals::new(Arc::clone(pdp), readiness.clone())))
        .add_service(ReviewServiceServer::new(Reviews::new(Arc::clone(pdp), readiness.clone())))
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
