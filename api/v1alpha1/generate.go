package v1alpha1

//go:generate go tool -modfile=../../tools/controller-gen/go.mod controller-gen object crd paths=. output:crd:dir=../../deploy/crds output:object:dir=.
//go:generate sh -c "go run ./schemagen ../../deploy/crds/floe.dev_nodepools.yaml > ../../deploy/crds/nodepool.schema.json"
