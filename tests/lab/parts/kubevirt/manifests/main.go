// Prints what KubeVirt's operator would install, as JSON lists, into the directory given as its only argument.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	extv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/rbac"
)

const namespace = "kubevirt"

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: manifests DIRECTORY"))
	}
	write("kubevirt-crds.json", crds())
	write("kubevirt-rbac.json", accounts())
	write("kubevirt-webhooks.json", []any{
		components.NewVirtAPIMutatingWebhookConfiguration(namespace),
		components.NewVirtAPIValidatingWebhookConfiguration(namespace),
	})
	write("kubevirt-apiservices.json", all(components.NewVirtAPIAPIServices(namespace)))
	write("kubevirt-extras.json", extras())
	write("kubevirt-instancetypes.json", instancetypes())
}

func crds() (list []any) {
	for _, make := range []func() (*extv1.CustomResourceDefinition, error){
		components.NewKubeVirtCrd,
		components.NewMigrationPolicyCrd,
		components.NewPresetCrd,
		components.NewReplicaSetCrd,
		components.NewVirtualMachineCloneCrd,
		components.NewVirtualMachineClusterInstancetypeCrd,
		components.NewVirtualMachineClusterPreferenceCrd,
		components.NewVirtualMachineCrd,
		components.NewVirtualMachineExportCrd,
		components.NewVirtualMachineInstanceCrd,
		components.NewVirtualMachineInstanceMigrationCrd,
		components.NewVirtualMachineInstancetypeCrd,
		components.NewVirtualMachinePoolCrd,
		components.NewVirtualMachinePreferenceCrd,
		components.NewVirtualMachineRestoreCrd,
		components.NewVirtualMachineSnapshotContentCrd,
		components.NewVirtualMachineSnapshotCrd,
	} {
		crd, err := make()
		fail(err)
		list = append(list, crd)
	}
	return list
}

// The service accounts of the three components that the lab runs or plays, and what users get.
func accounts() (list []any) {
	list = append(list, all(rbac.GetAllCluster())...)
	list = append(list, all(rbac.GetAllApiServer(namespace))...)
	list = append(list, all(rbac.GetAllController(namespace))...)
	list = append(list, all(rbac.GetAllHandler(namespace))...)
	return list
}

func extras() []any {
	handler := "system:serviceaccount:" + namespace + ":" + components.HandlerServiceAccountName
	policy := components.NewHandlerV1ValidatingAdmissionPolicy(handler)
	binding := components.NewHandlerV1ValidatingAdmissionPolicyBinding()
	// KubeVirt only ever sends these by a typed client, which ignores the wrong group in their type.
	policy.APIVersion = "admissionregistration.k8s.io/v1"
	binding.APIVersion = "admissionregistration.k8s.io/v1"
	return []any{components.NewKubeVirtPriorityClassCR(), policy, binding}
}

func instancetypes() (list []any) {
	types, err := components.NewClusterInstancetypes()
	fail(err)
	preferences, err := components.NewClusterPreferences()
	fail(err)
	return append(append(list, all(types)...), all(preferences)...)
}

func all[T any](objects []T) (list []any) {
	for _, object := range objects {
		list = append(list, object)
	}
	return list
}

func write(name string, objects []any) {
	list := struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Items      []any  `json:"items"`
	}{"v1", "List", nil}
	for _, object := range objects {
		list.Items = append(list.Items, plain(object))
	}
	text, err := json.MarshalIndent(list, "", " ")
	fail(err)
	fail(os.WriteFile(filepath.Join(os.Args[1], name), append(text, '\n'), 0o644))
}

// Without status and without the nulls that Go types leave: server-side apply would own or refuse them.
func plain(object any) map[string]any {
	text, err := json.Marshal(object)
	fail(err)
	var tree map[string]any
	fail(json.Unmarshal(text, &tree))
	delete(tree, "status")
	withoutNulls(tree)
	if tree["kind"] == nil || tree["apiVersion"] == nil {
		fail(fmt.Errorf("%T has no kind: %s", object, text))
	}
	return tree
}

func withoutNulls(node any) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			if value == nil {
				delete(node, key)
			} else {
				withoutNulls(value)
			}
		}
	case []any:
		for _, value := range node {
			withoutNulls(value)
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}
