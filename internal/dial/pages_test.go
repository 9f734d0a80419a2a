package dial

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPages(t *testing.T) {
	require.Equal(t, "http://127.0.0.1:8233/namespaces/default/workflows", WorkflowsPage("http://127.0.0.1:8233/", "default"))
	require.Equal(t, "https://temporal.example/ui/namespaces/floe.a1b2c/workflows/node%2Fprod%2Fi-0123456789abcdef0",
		WorkflowPage("https://temporal.example/ui", "floe.a1b2c", "node/prod/i-0123456789abcdef0"))
}
