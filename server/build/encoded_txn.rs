//! A service's Txn takes a request that is still encoded: `wire::EncodedTxn`, which in no .proto file is a message.

use protox::prost_reflect::prost_types::FileDescriptorSet;

/// On the wire it is a TxnRequest.
pub(crate) const ENCODED_TXN: &str = ".etcdserverpb.EncodedTxn";

/// In every method that takes a TxnRequest.
pub(crate) fn take_encoded_txns(files: &mut FileDescriptorSet) {
    let services = files.file.iter_mut().flat_map(|file| &mut file.service);
    for method in services.flat_map(|service| &mut service.method) {
        if method.input_type() == ".etcdserverpb.TxnRequest" {
            method.input_type = Some(ENCODED_TXN.to_owned());
        }
    }
}
