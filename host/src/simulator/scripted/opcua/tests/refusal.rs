//! A server that refuses to tell values.

use super::*;

#[tokio::test]
async fn while_it_refuses_every_variable_has_the_status_and_no_value_and_then_what_it_had() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;
    hub.subscribe(&["s=NO2"]).await;
    assert_eq!(hub.told().await, (0, 12.5, 0));

    server.refuse(Some(SENSOR_FAILURE));

    let (item, value, status) = hub.told().await;
    assert_eq!((item, value.is_nan(), status), (0, true, SENSOR_FAILURE));
    let unit = hub.read("s=NO2.Unit", 13).await;
    assert!(matches!(unit.value, Value::Empty) && unit.status == SENSOR_FAILURE, "{unit:?}");
    let name = hub.read("s=NO2.Unit", 3).await;
    assert_eq!(name.status, 0, "only values are refused");
    server.set(&set("{ id = 'ns=2;s=NO2', value = 13.5 }")).unwrap();
    assert_eq!(hub.told().await.2, SENSOR_FAILURE);

    server.refuse(None);

    assert_eq!(hub.told().await, (0, 13.5, 0));
}
