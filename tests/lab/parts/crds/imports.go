// Package crds keeps the modules whose CRDs the lab takes in go.mod; nothing is built from it.
package crds

import (
	_ "github.com/csi-addons/kubernetes-csi-addons/api/replication.storage/v1alpha1"
	_ "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	_ "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	_ "kubevirt.io/containerized-data-importer-api/pkg/apis/core/v1beta1"
)
