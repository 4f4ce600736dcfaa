use plimsoll::api::health::{Readiness, Stage};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::support::House;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn stages_are_never_gone_back() {
    let readiness = Readiness::new();
    assert_eq!(readiness.stage(), Stage::Starting);
    readiness.set(Stage::Draining);
    readiness.set(Stage::Ready);
    assert_eq!(readiness.stage(), Stage::Draining);
}

#[tokio::test]
async fn health_follows_the_stages() {
    let house = House::empty();
    let mut client = HealthClient::new(house.channel().await);
    let services = [
        "",
        "plimsoll.v1.DecisionService",
        "plimsoll.v1.ReviewService",
        "plimsoll.v1.SignalService",
        "envoy.service.auth.v3.Authorization",
    ];
    for (stage, expected) in [
        (Stage::Starting, ServingStatus::NotServing),
        (Stage::Ready, ServingStatus::Serving),
        (Stage::Draining, ServingStatus::NotServing),
    ] {
        house.readiness.set(stage);
        for service in services {
            let answer = client.check(of(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected, "{service} {stage:?}");
        }
    }
    assert_eq!(client.check(of("other")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_sees_each_change_and_ends_with_the_drain() {
    let house = House::empty();
    let mut client = HealthClient::new(house.channel().await);
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    let mut unknown = client.watch(of("other")).await.unwrap().into_inner();
    let first = unknown.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    house.readiness.set(Stage::Ready);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let draining = tokio::spawn(house.drain());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watch.message().await.unwrap().is_none());
    assert!(unknown.message().await.unwrap().is_none());
    assert_eq!(draining.await.unwrap(), 0);
}

mod reflection {
    use tonic::transport::Channel;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
    use tonic_reflection::pb::v1alpha;

    use super::House;

    async fn ask(channel: Channel, message: MessageRequest) -> MessageResponse {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        let mut client = ServerReflectionClient::new(channel);
        let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
        answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap()
    }

    #[tokio::test]
    async fn services_are_listed() {
        let house = House::empty();
        let list = MessageRequest::ListServices(String::new());
        let MessageResponse::ListServicesResponse(list) = ask(house.channel().await, list).await
        else {
            panic!("no list")
        };
        let mut names: Vec<String> =
            list.service.into_iter().map(|ServiceResponse { name }| name).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "plimsoll.v1.DecisionService",
                "plimsoll.v1.ReviewService",
                "plimsoll.v1.SignalService",
            ]
        );
        let symbol = MessageRequest::FileContainingSymbol("plimsoll.v1.Report".to_owned());
        let found = ask(house.channel().await, symbol).await;
        assert!(matches!(found, MessageResponse::FileDescriptorResponse(_)), "{found:?}");
    }

    #[tokio::test]
    async fn the_older_protocol_is_served_too() {
        let house = House::empty();
        let channel = house.channel().await;
        let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
        let request = v1alpha::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(
                v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
            ),
        };
        let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
        assert!(answers.into_inner().message().await.unwrap().is_some());
    }
}
