use super::bindings::BINDINGS;
use super::json::{self, Described};
use super::request::{Held, Messages};
use super::*;
use http_body_util::BodyExt;
use std::convert::Infallible;

fn body(chunks: &[&str]) -> Body {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from((*chunk).to_owned()))))
        .collect();
    Body::new(StreamBody::new(stream::iter(chunks)))
}

/// What `chunks` are as messages of a watch, each as text.
async fn messages(chunks: &[&str]) -> Result<Vec<String>, Status> {
    let method = Described::of_all().method("etcdserverpb.Watch/Watch");
    let held = Held::default();
    let mut messages = Messages::new(body(chunks), method.input(), 1_000, &held);
    let first = messages.first(true).await?;
    let framed = messages.framed_after(first).collect().await?.to_bytes();
    let response = Response::new(Body::new(Full::new(framed)));
    let mut unframed = Unframe::new(response, method.input());
    let mut texts = Vec::new();
    while let Some(message) = unframed.next().await? {
        texts.push(json::text(&message));
    }
    Ok(texts)
}

#[test]
fn every_method_has_a_path_but_for_streams_of_ranges() {
    let described = Described::of_all();
    let bound: Vec<&str> = BINDINGS.iter().map(|binding| binding.method).collect();
    bound.iter().for_each(|name| assert_eq!(described.method(name).name(), name.rsplit('/').next().unwrap()));
    let mut unbound = described.methods();
    unbound.retain(|name| !bound.contains(&name.as_str()));
    assert_eq!(unbound, ["etcdserverpb.KV/RangeStream"]);
}

#[tokio::test]
async fn values_are_told_apart_wherever_they_are_cut() {
    let whole = r#" {"create_request":{"key":"e30=","watch_id":"7"}} {"cancelRequest":{"watch_id":7}}{"progress_request":{}} "#;
    let expected = [
        r#"{"create_request":{"key":"e30=","watch_id":"7"}}"#,
        r#"{"cancel_request":{"watch_id":"7"}}"#,
        r#"{"progress_request":{}}"#,
    ];
    for cut in 0..whole.len() {
        let (one, other) = whole.split_at(cut);
        assert_eq!(messages(&[one, other]).await.unwrap(), expected, "cut at {cut}");
    }
    let escaped = r#"{"unknown":"}\"\\{[","cancel_request":null,"progressRequest":{}}"#;
    assert_eq!(messages(&[escaped]).await.unwrap(), [r#"{"progress_request":{}}"#]);
    assert!(messages(&["  \n"]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let deep = format!("{{\"create_request\":{}1{}}}", "[".repeat(450), "]".repeat(450));
    let long = format!("{{\"create_request\":{{\"key\":\"{}\"}}}}", "A".repeat(1_980));
    for (text, code) in [
        ("{", tonic::Code::InvalidArgument),
        ("nonsense", tonic::Code::InvalidArgument),
        ("[]", tonic::Code::InvalidArgument),
        ("}", tonic::Code::InvalidArgument),
        (r#"{"create_request":{"key":7}}"#, tonic::Code::InvalidArgument),
        (r#"{"create_request":{"watch_id":"99999999999999999999"}}"#, tonic::Code::InvalidArgument),
        (deep.as_str(), tonic::Code::InvalidArgument),
        (long.as_str(), tonic::Code::ResourceExhausted),
    ] {
        let refused = messages(&[text]).await.unwrap_err();
        assert_eq!(refused.code(), code, "{text}: {refused}");
    }
}

#[tokio::test]
async fn what_is_held_is_given_back() {
    let method = Described::of_all().method("etcdserverpb.KV/Put");
    let held = Held::default();
    let mut one = Messages::new(body(&["{\"key\":"]), method.input(), 1_000, &held);
    one.first(false).await.unwrap_err();
    drop(one);
    let mut other = Messages::new(body(&["{}{"]), method.input(), 1_000, &held);
    other.first(false).await.unwrap();
    drop(other);
    assert_eq!(held.bytes(), 0);
}
