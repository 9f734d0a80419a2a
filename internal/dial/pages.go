package dial

import (
	"net/url"
	"strings"
)

// WorkflowsPage is the address of a namespace's workflows in Temporal's UI; ui is the UI's own address.
func WorkflowsPage(ui, namespace string) string {
	return strings.TrimRight(ui, "/") + "/namespaces/" + url.PathEscape(namespace) + "/workflows"
}

// WorkflowPage is the address of one workflow in Temporal's UI, which leads to its newest run
// (github.com/temporalio/ui, src/routes/(app)/namespaces/[namespace]/workflows/[workflow]/+page.ts).
func WorkflowPage(ui, namespace, id string) string {
	return WorkflowsPage(ui, namespace) + "/" + url.PathEscape(id)
}
