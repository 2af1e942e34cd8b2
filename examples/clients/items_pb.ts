/**
 * What protoc-gen-es makes of
 *
 *     syntax = "proto3";
 *     package items.v1;
 *     import "google/protobuf/wrappers.proto";
 *     service Items {
 *       rpc Get(google.protobuf.StringValue) returns (google.protobuf.StringValue);
 *       rpc Keep(google.protobuf.StringValue) returns (google.protobuf.StringValue);
 *     }
 */
import { fileDesc, type GenFile, type GenService, serviceDesc } from '@bufbuild/protobuf/codegenv2'
import { file_google_protobuf_wrappers, type StringValueSchema } from '@bufbuild/protobuf/wkt'

interface Method {
  methodKind: 'unary'
  input: typeof StringValueSchema
  output: typeof StringValueSchema
}

const file: GenFile = fileDesc(
  'ChRpdGVtcy92MS9pdGVtcy5wcm90bxIIaXRlbXMudjEaHmdvb2dsZS9wcm90b2J1Zi93cmFwcGVycy5wcm90bzKOAQoFSXRlbXMSQQoDR2V0Ehwu' +
    'Z29vZ2xlLnByb3RvYnVmLlN0cmluZ1ZhbHVlGhwuZ29vZ2xlLnByb3RvYnVmLlN0cmluZ1ZhbHVlEkIKBEtlZXASHC5nb29nbGUucHJvdG9idWYu' +
    'U3RyaW5nVmFsdWUaHC5nb29nbGUucHJvdG9idWYuU3RyaW5nVmFsdWViBnByb3RvMw',
  [file_google_protobuf_wrappers],
)

export const Items: GenService<{ get: Method; keep: Method }> = serviceDesc(file, 0)
