// One node in a confidential container group of Azure Container Instances (AMD SEV-SNP).
//
// The policy of the group is made from this very template, so every change needs a new one:
//   az bicep build --file aci.bicep
//   az confcom acipolicygen --template-file aci.json --parameters aci.parameters.json
// Pass what it prints as ccePolicy. SHA-256 of the decoded policy is the HOST_DATA of the report,
// which is what the members vote for.

@description('Name of the container group.')
param name string = 'coco-node'

@description('Region that has confidential containers.')
param location string = resourceGroup().location

@description('Image of the node with its digest: registry/name@sha256:...')
param image string

@description('Attestation sidecar with its digest: mcr.microsoft.com/aci/skr@sha256:...; empty: none.')
param sidecarImage string = ''

@description('Rego policy of the group in base64, made by az confcom acipolicygen.')
param ccePolicy string

@description('Configuration of the node: the text of node.json. It is not secret and not measured.')
param nodeConfiguration string

@description('Certificates and public keys of the first members: file name to PEM text. Not secret.')
param memberFiles object

@description('Name that clients use, below the domain of the region.')
param dnsLabel string

@description('User-assigned identity that may pull the image.')
param identityId string

@description('Server of the registry that holds the image.')
param registryServer string

@description('Storage account with the file share of the ledger.')
param storageAccountName string

@description('Key of the storage account.')
@secure()
param storageAccountKey string

@description('File share of the ledger, which the node encrypts and signs itself.')
param shareName string = 'coco-ledger'

param cpu int = 2
param memoryInGB int = 4

var encodedMemberFiles = reduce(
  items(memberFiles),
  {},
  (files, file) => union(files, { '${file.key}': base64(file.value) })
)

var nodeContainer = {
  name: 'node'
  properties: {
    image: image
    command: [
      '/nodejs/bin/node'
      '/opt/coco/packages/cli/bin/coco.js'
      'node'
      'run'
      '--config'
      '/etc/coco/node.json'
    ]
    ports: [
      {
        port: 8080
        protocol: 'TCP'
      }
    ]
    resources: {
      requests: {
        cpu: cpu
        memoryInGB: memoryInGB
      }
    }
    volumeMounts: [
      {
        name: 'configuration'
        mountPath: '/etc/coco'
        readOnly: true
      }
      {
        name: 'ledger'
        mountPath: '/var/lib/coco'
      }
    ]
  }
}

var sidecarContainer = {
  name: 'attestation'
  properties: {
    image: sidecarImage
    resources: {
      requests: {
        cpu: 1
        memoryInGB: 1
      }
    }
  }
}

resource group 'Microsoft.ContainerInstance/containerGroups@2023-05-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    sku: 'Confidential'
    confidentialComputeProperties: {
      ccePolicy: ccePolicy
    }
    osType: 'Linux'
    // A node that ended has lost its keys; the members recover the service.
    restartPolicy: 'Never'
    imageRegistryCredentials: [
      {
        server: registryServer
        identity: identityId
      }
    ]
    ipAddress: {
      type: 'Public'
      dnsNameLabel: dnsLabel
      ports: [
        {
          port: 8080
          protocol: 'TCP'
        }
      ]
    }
    containers: empty(sidecarImage) ? [nodeContainer] : [nodeContainer, sidecarContainer]
    volumes: [
      {
        name: 'configuration'
        secret: union({ 'node.json': base64(nodeConfiguration) }, encodedMemberFiles)
      }
      {
        name: 'ledger'
        azureFile: {
          shareName: shareName
          storageAccountName: storageAccountName
          storageAccountKey: storageAccountKey
        }
      }
    ]
  }
}

output address string = '${group.properties.ipAddress.fqdn}:8080'
